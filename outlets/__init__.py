"""Outlets: the live view told to those who would rather be told than ask, over MQTT and by webhooks.

The role follows the log into a live view of its own, with the code of the api: what leaves here is, byte for
byte of its data, what anybody may see there.
"""
