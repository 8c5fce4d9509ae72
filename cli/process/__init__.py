"""Processes of one machine: start and stop, user account, log file, and their state in /proc.

Nothing here knows which service or role a process runs.
"""
