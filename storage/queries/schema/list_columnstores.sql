-- The hypertables whose old chunks are kept by column.
-- No index of ours: TimescaleDB's catalog.
SELECT hypertable_name
FROM timescaledb_information.hypertables
WHERE hypertable_schema = current_schema() AND compression_enabled;
