"""Infrastructure that every role shares: settings, access to Kafka and MQTT, telemetry, TLS, back-off.

What may not live here: the meaning of an observation (see `twin`), and the work of a single role.
"""
