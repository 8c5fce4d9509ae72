"""Who is notified, when and over which channel: routing, roster and escalation as pure functions; no I/O and
no text.
"""
