"""Stored values of one property, indicator or roll-up: routes, series and single readings.

Where a value comes from belongs to api.lineage.
"""
