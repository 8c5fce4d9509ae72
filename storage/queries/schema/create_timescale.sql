-- Create the extension TimescaleDB in a given version, unless it exists.
-- No index: a definition.
CREATE EXTENSION IF NOT EXISTS timescaledb VERSION {version};
