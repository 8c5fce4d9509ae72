-- All API keys, also revoked ones, oldest first.
-- api_token_pkey.
SELECT name, role, areas, created_at, revoked_at FROM api_token ORDER BY id;
