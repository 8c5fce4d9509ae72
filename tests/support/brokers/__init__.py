"""Clients of MQTT and Kafka for tests, and brokers with TLS, accounts or a script; no role of ours runs
here.
"""
