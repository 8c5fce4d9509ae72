"""The stream role: three stages on Faust, from observations to state, area values, alarms and incidents.

The delivery promise is stated here once. A record is acknowledged to Kafka only when a checkpoint that covers
it is durable. A checkpoint is written only when the outputs that it covers are durable. The offsets that
Faust commits are never trusted: after each assignment the worker reads on from the position of its own
checkpoint, checks that no offset is missing, and seeks back where one is.
"""
