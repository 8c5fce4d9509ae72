-- Delete quarantined messages before a time without an open replay request, a limited number.
-- quarantine_newest.
DELETE FROM quarantine
WHERE id IN (
    SELECT id FROM quarantine
    WHERE received_time < %(end)s AND replay_requested_at IS NULL
    ORDER BY received_time
    LIMIT %(limit)s
);
