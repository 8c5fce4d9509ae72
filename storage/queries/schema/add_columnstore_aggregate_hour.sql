-- Community edition: store old chunks of aggregate_hour by column.
-- No index: a chunk is reordered as its key is.
ALTER TABLE aggregate_hour SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'datastream_id', timescaledb.orderby = 'start'
);
CALL add_columnstore_policy('aggregate_hour', after => INTERVAL '56 days', if_not_exists => true);
