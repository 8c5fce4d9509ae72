"""From MQTT to observations: the session, the decoders, quarantine.

The promise, told once: a message with QoS 1 is acknowledged to the broker only after Kafka confirmed the
records that carry all that became of it, observations or a quarantined message. Until then the broker's
persistent session keeps it, and hands it over again after a crash; what arrives twice is a duplicate, and
told as such. Nothing is dropped: a full buffer stops the reading of MQTT.
"""
