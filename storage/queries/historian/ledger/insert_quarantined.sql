-- Store quarantined messages, unless they exist.
-- quarantine_pkey.
INSERT INTO quarantine (
    id, feed, topic, received_time, reason, detail, payload, payload_bytes, payload_sha256, session, sequence,
    observations, device, decoder, decoder_version, rank
)
SELECT id, feed, topic, received_time, reason, detail, payload, payload_bytes, payload_sha256, session, sequence,
    observations, device, decoder, decoder_version, nullif(rank, 0)
FROM unnest(
    %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::bytea[], %s::bigint[],
    %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::integer[], %s::bigint[]
) AS message (
    id, feed, topic, received_time, reason, detail, payload, payload_bytes, payload_sha256, session, sequence,
    observations, device, decoder, decoder_version, rank
)
ON CONFLICT (id) DO NOTHING;
