"""The ingest role: MQTT session, decoders, mapping to observations, quarantine.

The delivery contract: a message with QoS 1 is acknowledged to the broker only after Kafka has confirmed all
records made from it, whether observations or a quarantined message. Until then the broker's persistent
session keeps the message, and sends it again after a crash; its second copy is recognised as a duplicate. No
message is dropped: a full buffer stops the reading from MQTT.

What may not live here: the state of an entity (see `stream`), and access to the database.
"""
