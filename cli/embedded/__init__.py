"""Embedded services for one machine: PostgreSQL with TimescaleDB, Mosquitto, and a Kafka-compatible broker.

Each listens on loopback, has its own folder, runs as an unprivileged account if root starts it, and ends with
its parent process. In production these services run elsewhere. Nothing of the roles may live here.
"""
