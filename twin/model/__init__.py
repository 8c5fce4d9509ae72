"""The city and the words for it: entities, sensors, observed properties, observations, units, names, roles
and the duty plan. Immutable values only; nothing that changes with each observation, and no record of the
log.
"""
