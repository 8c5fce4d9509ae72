"""The records that the roles write to the log, their encoding, and the bounds for JSON from outside.

No decision about a value: state, quality and alarms decide.
"""
