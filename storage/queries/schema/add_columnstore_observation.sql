-- Community edition: store old chunks of observation by column.
-- No index: a chunk is reordered as its key is.
ALTER TABLE observation SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = 'datastream_id', timescaledb.orderby = 'phenomenon_time'
);
CALL add_columnstore_policy('observation', after => INTERVAL '7 days', if_not_exists => true);
