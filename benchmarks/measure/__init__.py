"""Measuring: the system under load, its processes and their cost, delays, completeness and recovery.

Nothing that prints a table or compares runs.
"""
