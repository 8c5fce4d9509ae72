"""How a message reaches a contact and how its outcome is published: channels, retries, secrets and
acknowledge links; no decision about whom to notify.
"""
