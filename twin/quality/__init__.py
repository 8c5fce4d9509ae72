"""Which observations are plausible and which are suspect: flags, rules, checks of values and of neighbours.

Nothing here stores a state or raises an alarm.
"""
