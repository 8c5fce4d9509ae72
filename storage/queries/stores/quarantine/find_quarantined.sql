-- The state of the replay of a quarantined message, and whether the message can be replayed.
-- quarantine_pkey.
SELECT session <> '' OR topic NOT LIKE 'log:%%', replay_requested_at IS NOT NULL, resolved_at IS NOT NULL
FROM quarantine
WHERE id = %(id)s;
