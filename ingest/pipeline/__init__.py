"""From a received message to records on the log: route, decode, map, check, publish, acknowledge.

What may not live here: an MQTT client.
"""
