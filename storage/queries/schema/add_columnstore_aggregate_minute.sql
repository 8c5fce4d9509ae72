-- Community edition: store old chunks of aggregate_minute by column.
-- No index: a chunk is reordered as its key is.
ALTER TABLE aggregate_minute SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'datastream_id', timescaledb.orderby = 'start'
);
CALL add_columnstore_policy('aggregate_minute', after => INTERVAL '7 days', if_not_exists => true);
