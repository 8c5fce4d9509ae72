"""The third stage: points, silences and commands become alarms and incidents; no I/O, and nothing about
notifying people.
"""
