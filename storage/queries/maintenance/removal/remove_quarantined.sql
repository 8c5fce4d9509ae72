-- Delete quarantined messages from before a time that nobody waits for, at most so many.
-- quarantine_newest.
DELETE FROM quarantine
WHERE id IN (
    SELECT id FROM quarantine
    WHERE received_time < %(end)s AND replay_requested_at IS NULL
    ORDER BY received_time
    LIMIT %(limit)s
);
