"""Measurements: the system under load, the cost of its processes, delays, completeness and recovery.

Nothing here prints a table or compares runs.
"""
