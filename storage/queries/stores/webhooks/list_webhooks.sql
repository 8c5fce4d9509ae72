-- All webhooks, or the one of an id, oldest first.
-- No index: the table is small.
SELECT id, url, filter, mode, secret, created_at, created_by, state, reason, edition, cursor, failures, failing_since, last_error,
    delivered_at, format, handshake, consented_at, rate_max
FROM webhook
WHERE %(id)s::text IS NULL OR id = %(id)s
ORDER BY created_at, id;
