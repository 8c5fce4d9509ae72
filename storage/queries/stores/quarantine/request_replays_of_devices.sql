-- Request the replay of the newest messages that devices sent before their sensor was known.
-- quarantine_newest_of_device.
UPDATE quarantine
SET replay_requested_at = now(), replay_sent_at = NULL
WHERE id IN (
    SELECT sent.id
    FROM unnest(%(devices)s::text[]) AS known (device)
    CROSS JOIN LATERAL (
        SELECT id
        FROM quarantine
        WHERE quarantine.device = known.device AND quarantine.device <> '' AND reason = ANY(%(reasons)s::text[]) AND resolved_at IS NULL
        ORDER BY received_time DESC, id DESC
        LIMIT %(limit)s
    ) AS sent
);
