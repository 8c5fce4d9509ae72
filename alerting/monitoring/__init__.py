"""Self-monitoring of the duty loop: probes through the whole system, the watchdog and the heartbeat; nothing
about city alarms.
"""
