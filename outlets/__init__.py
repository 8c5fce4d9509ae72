"""The outlets role: publishes the live view over MQTT and by webhooks.

It follows the log into a live view of its own, with the api's code: the data that it sends is, byte for byte,
what the api shows to anybody. What may not live here: state of its own, or another rendering of the view.
"""
