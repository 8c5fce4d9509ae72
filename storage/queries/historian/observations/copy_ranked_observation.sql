-- Append observations with new keys and with ranks; `storage.historian.observation_rows` packs the rows in this order.
-- No index: an append; observation_key refuses what is there.
COPY observation (phenomenon_time, received_time, value, datastream_id, flags, rank)
FROM STDIN (FORMAT BINARY);
