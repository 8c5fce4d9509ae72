-- The version of TimescaleDB in this database.
-- No index: a small catalog.
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';
