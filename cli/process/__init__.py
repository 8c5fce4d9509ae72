"""Operating-system processes of one machine: start, stop, account, log file, what /proc tells.

Nothing here knows which service or role a process is.
"""
