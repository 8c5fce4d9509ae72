"""Alarms and incidents: routes, documents, look-ups, visibility, operator commands, CAP and Atom.

Alarm state itself is computed by the stream.
"""
