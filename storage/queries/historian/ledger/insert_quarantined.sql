-- Store a quarantined message, unless it exists.
-- quarantine_pkey.
INSERT INTO quarantine (
    id, feed, topic, received_time, reason, detail, payload, payload_bytes, payload_sha256, session, sequence,
    observations, device, decoder, decoder_version, rank
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, nullif(%s, 0))
ON CONFLICT (id) DO NOTHING;
