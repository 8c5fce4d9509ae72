"""Reads the log and stores it: one transaction holds rows and offsets.

No queries for the API, no repair and no deletion of old rows.
"""
