-- Stop the workers of TimescaleDB and let its own tables be filled.
-- No index: a function of the extension.
SELECT timescaledb_pre_restore();
