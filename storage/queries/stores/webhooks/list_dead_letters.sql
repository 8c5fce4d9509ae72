-- Dead letters of a webhook before a number, newest first.
-- webhook_dead_letter_pkey.
SELECT number, died_at, tries, error, cursor, events
FROM webhook_dead_letter
WHERE webhook_id = %(id)s AND (%(before)s::bigint IS NULL OR number < %(before)s)
ORDER BY number DESC
LIMIT %(limit)s;
