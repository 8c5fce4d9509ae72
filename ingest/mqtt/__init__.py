"""The MQTT session: receives messages in bulk, acknowledges them, drains a retiring replica; no payload is
decoded here.
"""
