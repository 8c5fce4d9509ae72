-- Add TimescaleDB in a version to a database; leave it where it is.
-- No index: a definition.
CREATE EXTENSION IF NOT EXISTS timescaledb VERSION {version};
