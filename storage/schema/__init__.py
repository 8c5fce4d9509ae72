"""Creates and upgrades the database: migrations, the TimescaleDB edition, and what a restore needs.

No rows of the city.
"""
