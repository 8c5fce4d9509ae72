-- Store the progress of a webhook, unless it was resumed in the meantime.
-- webhook_pkey.
UPDATE webhook SET
    state = %(state)s, reason = %(reason)s, cursor = %(cursor)s, failures = %(failures)s,
    failing_since = %(failing_since)s, last_error = %(last_error)s, delivered_at = %(delivered_at)s,
    consented_at = %(consented_at)s, rate_max = %(rate_max)s
WHERE id = %(id)s AND edition = %(edition)s;
