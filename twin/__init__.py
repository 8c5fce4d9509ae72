"""The domain of LiveTwin, pure: no I/O, no clock, no framework.

What lives here: the city model (entities, observed properties, sensors, datastreams), observations and
their quality, the event-time state of datastreams and entities, units, and the messages between the roles.
What may not: anything that reads a file, a socket, a clock or a random number. Time comes in as an argument,
always as an `Instant` (see `twin.instant`).
"""
