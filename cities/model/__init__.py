"""The entities, sensors, properties, calibrations and maintenance of a city folder, cross-checked; no rules
and no duty plan.
"""
