-- How far the replay of a quarantined message is, and whether it can be replayed at all.
-- quarantine_pkey.
SELECT session <> '' OR topic NOT LIKE 'log:%%', replay_requested_at IS NOT NULL, resolved_at IS NOT NULL
FROM quarantine
WHERE id = %(id)s;
