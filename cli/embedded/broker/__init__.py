"""The embedded broker: the part of Kafka's protocol that our clients use, with a log in memory.

aiokafka's definitions of the messages decode and encode them. The broker supports one version of each
request, which it reports in ApiVersions. It has one node and no replicas, transactions or authentication,
so it listens on loopback only. A contract test runs against it and against other brokers.
"""
