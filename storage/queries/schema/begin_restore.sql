-- Stop the background workers of TimescaleDB, and allow its own tables to be filled.
-- No index: a function of the extension.
SELECT timescaledb_pre_restore();
