"""How the duty loop watches itself: probes through the whole system, the watchdog and the heartbeat; nothing
about city alarms.
"""
