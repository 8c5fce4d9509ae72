-- The next replay requests that were not sent, or whose answer is overdue; locks them for the transaction.
-- quarantine_by_request.
SELECT id, feed, topic, received_time, reason, detail, payload, payload_bytes, payload_sha256, session, sequence,
    observations, device, decoder, decoder_version, coalesce(rank, 0)
FROM quarantine
WHERE replay_requested_at IS NOT NULL
    AND (replay_sent_at IS NULL OR replay_sent_at < now() - %(patience)s * interval '1 microsecond')
ORDER BY received_time, id
LIMIT %(limit)s
FOR UPDATE;
