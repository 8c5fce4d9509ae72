"""Decides whom to notify, when and over which channel: routing, roster and escalation.

Pure functions; no I/O and no text.
"""
