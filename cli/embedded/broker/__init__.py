"""The embedded broker: as much of Kafka's protocol as our clients speak, over a log in memory.

The messages are read and written by aiokafka's own definitions of them. One version of each request is
understood, which clients learn from ApiVersions. One node, no replicas, no transactions, no authentication:
loopback only. A contract test holds it and other brokers to the same behaviour.
"""
