-- Return TimescaleDB to normal operation.
-- No index: a function of the extension.
SELECT timescaledb_post_restore();
