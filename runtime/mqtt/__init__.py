"""Access to the MQTT broker for every role, and the topics that LiveTwin publishes.

What may not live here: a session or a subscription (see `ingest.mqtt` and `outlets`).
"""
