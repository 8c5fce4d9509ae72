"""Delivers messages to contacts and publishes their outcomes: channels, retries, secrets and
acknowledge links; no decision about whom to notify.
"""
