"""From a received message to records on the log: route, decode, map, check, publish, acknowledge; no MQTT
client lives here.
"""
