"""Access to the MQTT broker for every role, and the topics that LiveTwin publishes; no session lives here."""
