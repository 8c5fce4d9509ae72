-- The licence of TimescaleDB, and whether the policies of the columnstore exist.
-- No index: a setting, and PostgreSQL's catalog.
SELECT current_setting('timescaledb.license', true),
    EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'add_columnstore_policy');
