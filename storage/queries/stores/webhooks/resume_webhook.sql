-- Resume a webhook, from a cursor if given; returns a row if it exists.
-- webhook_pkey.
UPDATE webhook SET
    state = 'active', reason = '', edition = edition + 1, failures = 0, failing_since = NULL, last_error = '',
    cursor = coalesce(%(cursor)s, cursor)
WHERE id = %(id)s
RETURNING id;
