-- Community edition: store old chunks of aggregate_ten_minutes by column.
-- No index: a chunk is reordered as its key is.
ALTER TABLE aggregate_ten_minutes SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'datastream_id', timescaledb.orderby = 'start'
);
CALL add_columnstore_policy('aggregate_ten_minutes', after => INTERVAL '21 days', if_not_exists => true);
