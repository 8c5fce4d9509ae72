"""Slow references in plain Python that compute results from the set of observations alone; no log and no
memory.
"""
