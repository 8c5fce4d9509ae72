"""The current state of datastreams, entities and areas: windows, counters, combination, roll-ups, snapshots.

Quality rules, alarms and the encoding of log records do not belong here.
"""
