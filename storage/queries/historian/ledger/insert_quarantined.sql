-- Store a quarantined message, unless it exists.
-- quarantine_pkey.
INSERT INTO quarantine (
    id, feed, topic, received_time, reason, detail, payload, payload_bytes, payload_sha256, session, sequence,
    observations, device, decoder, decoder_version
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO NOTHING;
