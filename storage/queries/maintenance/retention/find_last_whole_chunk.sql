-- The end of the last chunk of a hypertable that ends before a time, or NULL.
-- No index of ours: TimescaleDB's catalog.
SELECT max(range_end)
FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %s AND range_end <= %s;
