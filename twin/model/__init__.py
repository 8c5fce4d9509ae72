"""The city and the words for it: entities, sensors, properties, observations, units, names, roles, duty plan.

Immutable values only: nothing here changes with an observation, and no record of the log belongs here.
"""
