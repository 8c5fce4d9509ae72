-- The licence that TimescaleDB runs under, and whether it has the columnstore's policies.
-- No index: a setting, and PostgreSQL's catalog.
SELECT current_setting('timescaledb.license', true),
    EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'add_columnstore_policy');
