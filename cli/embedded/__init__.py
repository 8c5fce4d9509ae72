"""The services that production brings along, embedded for one machine.

PostgreSQL with TimescaleDB, Mosquitto, and a Kafka-compatible log. Each runs in a folder of its own, on
loopback, as an unprivileged account when we are root, and dies with us.
"""
