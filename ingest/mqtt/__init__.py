"""The MQTT session: receives messages in bulk, acknowledges them, and drains a replica that is removed.

What may not live here: the decoding of a payload.
"""
