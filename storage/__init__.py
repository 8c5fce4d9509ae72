"""The database of LiveTwin: PostgreSQL with TimescaleDB, and the historian that fills it from the log.

What lives here: the schema (`migrations/`), every SQL statement (`queries/`), the city model in the database,
the historian with its writers, and the queries about state and history for the other roles. What may not:
code for MQTT, Faust or a browser, and SQL outside a .sql file.

Instants are integers at these interfaces: microseconds since the epoch, UTC.
"""
