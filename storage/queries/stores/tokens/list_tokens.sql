-- All API keys, live and revoked, oldest first.
-- api_token_pkey.
SELECT name, role, created_at, revoked_at FROM api_token ORDER BY id;
