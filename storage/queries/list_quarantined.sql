-- Quarantined messages before a position, newest first; feed and reason narrow it where they are given.
-- quarantine_newest, quarantine_newest_of_feed or quarantine_newest_of_reason.
SELECT id, feed, topic, received_time, reason, detail, payload, payload_bytes, payload_sha256
FROM quarantine
WHERE (%(feed)s::text IS NULL OR feed = %(feed)s)
    AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND (received_time, id) < (coalesce(%(before_time)s, 'infinity'::timestamptz), coalesce(%(before_id)s, ''))
ORDER BY received_time DESC, id DESC
LIMIT %(limit)s;
