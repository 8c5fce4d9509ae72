-- Store an API key, unless a valid one has its name; returns a row if it was stored.
-- api_token_by_name.
INSERT INTO api_token (name, role, areas, token_sha256)
VALUES (%(name)s, %(role)s, %(areas)s, %(token_sha256)s)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING id;
