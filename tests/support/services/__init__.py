"""PostgreSQL, Kafka and Mosquitto for tests, embedded or in containers; nothing here knows a role."""
