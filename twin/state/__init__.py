"""What the observations of a datastream, an entity and an area amount to now: event-time windows, counters,
combination, roll-ups and what a checkpoint holds. No rule of quality, no alarm and no encoding of log
records.
"""
