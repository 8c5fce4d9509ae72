-- Make a webhook go on, from a cursor where one is given; returns a row when there is one.
-- webhook_pkey.
UPDATE webhook SET
    state = 'active', reason = '', edition = edition + 1, failures = 0, failing_since = NULL, last_error = '',
    cursor = coalesce(%(cursor)s, cursor)
WHERE id = %(id)s
RETURNING id;
