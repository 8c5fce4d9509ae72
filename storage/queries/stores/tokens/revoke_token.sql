-- Revoke the valid API key of a name; returns a row if there was one.
-- api_token_by_name.
UPDATE api_token SET revoked_at = now()
WHERE name = %(name)s AND revoked_at IS NULL
RETURNING id;
