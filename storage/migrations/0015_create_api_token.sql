-- API keys. Only their hash is kept: whoever reads this table cannot ask with what is in it. A key is 256 random
-- bits, so a plain SHA-256 is enough; slow hashes are for what people choose.
CREATE TABLE IF NOT EXISTS api_token (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL,                     -- who or what asks with it
    role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'duty', 'admin', 'metering')),
    token_sha256 bytea NOT NULL CHECK (octet_length(token_sha256) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz                        -- never deleted: who had access, and until when, stays known
);
CREATE UNIQUE INDEX IF NOT EXISTS api_token_key ON api_token (token_sha256);
-- A name is free again once its key is revoked.
CREATE UNIQUE INDEX IF NOT EXISTS api_token_by_name ON api_token (name) WHERE revoked_at IS NULL;
