"""The stream role: the Faust app around the pure core in `twin`. Wiring, checkpoints and nothing else.

The promise, told once: an observation record is acknowledged to Kafka only when a checkpoint that covers it
is durable, and a checkpoint is written only when the updates that it covers are durable. What Faust commits
is never the authority: after every assignment the worker reads from its own checkpoint's position on, checks
that offsets follow each other without a hole, and seeks back where they do not.
"""
