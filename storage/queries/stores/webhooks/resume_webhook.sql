-- Resume a webhook, from a cursor if given; its receiver is asked for consent again. Returns a row if it exists.
-- webhook_pkey.
UPDATE webhook SET
    state = 'active', reason = '', edition = edition + 1, failures = 0, failing_since = NULL, last_error = '',
    cursor = coalesce(%(cursor)s, cursor), consented_at = NULL, rate_max = NULL
WHERE id = %(id)s
RETURNING id;
