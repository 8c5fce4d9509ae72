-- Remove a webhook with its dead letters; returns a row when there was one.
-- webhook_pkey.
DELETE FROM webhook WHERE id = %(id)s RETURNING id;
