-- Request the replay of quarantined messages, oldest first, a limited number; a repeated request is sent again.
-- quarantine_pkey for ids, else quarantine_newest, quarantine_newest_of_device or quarantine_newest_of_reason.
UPDATE quarantine
SET replay_requested_at = now(), replay_sent_at = NULL
WHERE id IN (
    SELECT id
    FROM quarantine
    WHERE resolved_at IS NULL
        AND (session <> '' OR topic NOT LIKE 'log:%%')
        AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s::text[]))
        AND (%(feed)s::text IS NULL OR feed = %(feed)s)
        AND (%(device)s::text IS NULL OR device = %(device)s)
        AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    ORDER BY received_time, id
    LIMIT %(limit)s
);
