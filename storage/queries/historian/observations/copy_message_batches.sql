-- Append headers and payloads of observation records.
-- No index: an append; message_batch_key refuses what is there.
COPY message_batch (
    log_id, partition, log_offset, first_received, last_received, headers, datastreams, payloads
)
FROM STDIN (FORMAT BINARY);
