"""What the system is loaded with: cities, MQTT packets and connections, the load generator, a broker that
only sends, and ready-made log records. Nothing that measures.
"""
