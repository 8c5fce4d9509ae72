"""The memory of LiveTwin: PostgreSQL with TimescaleDB, and the historian that fills it from the log.

What lives here: the schema (`migrations/`), every SQL statement (`queries/`), the city model in the database,
the historian with its writers, and the questions about state and history that the other roles ask.
What may not: anything that talks to MQTT, to Faust or to a browser, and SQL outside a .sql file.

Instants cross these interfaces as integers, microseconds since the epoch, UTC.
"""
