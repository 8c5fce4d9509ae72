-- Delete the oldest dead letters of a webhook beyond a number.
-- webhook_dead_letter_pkey.
DELETE FROM webhook_dead_letter
WHERE webhook_id = %(id)s AND number <= (
    SELECT number FROM webhook_dead_letter WHERE webhook_id = %(id)s ORDER BY number DESC OFFSET %(kept)s LIMIT 1
);
