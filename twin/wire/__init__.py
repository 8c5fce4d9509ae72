"""The records that the roles write to the log, their encoding, and the nesting limit for JSON from outside.

Nothing here decides about a value: `state`, `quality` and `alarms` do.
"""
