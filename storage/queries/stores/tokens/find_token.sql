-- Name, role and areas of a valid API key, by its hash.
-- api_token_key.
SELECT name, role, areas FROM api_token WHERE token_sha256 = %(token_sha256)s AND revoked_at IS NULL;
