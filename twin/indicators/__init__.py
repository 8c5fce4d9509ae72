"""Indicators: values derived from measurements, each by a published formula if one exists.

The modules named after a field (`air`, `traffic`, `water`, `grid`) hold its formulas on plain numbers and
declare its indicators; `registry.REGISTRY` has all of them by name. `liveability` scores an area,
`correlation` compares two series. All is pure: no clock, no storage, no state between calls.
"""
