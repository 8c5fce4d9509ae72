-- A quarantined message, with its payload.
-- quarantine_pkey.
SELECT id, feed, topic, received_time, reason, detail, octet_length(payload), payload_bytes, payload_sha256, device,
    decoder, decoder_version, observations, attempts, replay_requested_at, resolved_at, payload
FROM quarantine
WHERE id = %(id)s;
