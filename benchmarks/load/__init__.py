"""The load: cities, MQTT packets and connections, the load generator, a sending broker, log records.

Nothing here measures.
"""
