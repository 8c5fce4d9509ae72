-- Delete a webhook with its dead letters; returns a row if it existed.
-- webhook_pkey.
DELETE FROM webhook WHERE id = %(id)s RETURNING id;
