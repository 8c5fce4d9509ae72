-- Quarantined messages after a position, newest first, without payloads; filtered where a parameter is given.
-- quarantine_newest, quarantine_newest_of_feed, quarantine_newest_of_reason or quarantine_newest_of_device.
SELECT id, feed, left(topic, %(topic_characters)s), received_time, reason, detail, octet_length(payload), payload_bytes,
    payload_sha256, device, decoder, decoder_version, observations, attempts, replay_requested_at, resolved_at
FROM quarantine
WHERE (%(feed)s::text IS NULL OR feed = %(feed)s)
    AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (%(device)s::text IS NULL OR device = %(device)s)
    AND (%(resolved)s::boolean IS NULL OR (resolved_at IS NOT NULL) = %(resolved)s)
    AND (received_time, id) < (coalesce(%(before_time)s, 'infinity'::timestamptz), coalesce(%(before_id)s, ''))
ORDER BY received_time DESC, id DESC
LIMIT %(limit)s;
