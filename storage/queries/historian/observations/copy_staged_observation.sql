-- Stage observations; `storage.historian.observation_rows` packs the rows in this order.
-- No index: an append.
COPY staged_observation (phenomenon_time, received_time, value, datastream_id, flags, rank)
FROM STDIN (FORMAT BINARY);
