"""Indicators: values derived from what is measured, each by a published formula where there is one.

The modules named after a field (`lki`, `traffic`, `water`, `grid` …) hold formulas on plain numbers;
`indicator` says what an indicator is, the modules `…_indicators` declare them, and `registry.REGISTRY` has
them all by name. `liveability` and `correlation` answer questions over series and areas.
"""
