-- Store headers and payloads of observation records, unless they exist.
-- message_batch_key.
INSERT INTO message_batch (
    log_id, partition, log_offset, first_received, last_received, headers, datastreams, payloads
)
SELECT %b, partition, log_offset, first_received, last_received, headers, datastreams, payloads
FROM unnest(
    %b::integer[], %b::bigint[], %b::timestamptz[], %b::timestamptz[], %b::bytea[], %b::bytea[], %b::bytea[]
) AS record (partition, log_offset, first_received, last_received, headers, datastreams, payloads)
ON CONFLICT (partition, first_received, log_id, log_offset) DO NOTHING;
