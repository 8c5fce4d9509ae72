"""Which observations are plausible, and which are suspect: flags, rules, the checks of single values and of
neighbouring entities. Nothing that stores a state or raises an alarm.
"""
