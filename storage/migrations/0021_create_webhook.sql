-- Webhooks: who is told what, how far each of them is, and what could not be delivered.
CREATE TABLE IF NOT EXISTS webhook (
    id            text NOT NULL,                    -- random
    url           text NOT NULL,
    filter        jsonb NOT NULL,                   -- as /v1/live is asked
    mode          text NOT NULL CHECK (mode IN ('batch', 'single')),
    -- As it is, since it signs: a hash cannot. Whoever reads this table can sign in our name.
    secret        bytea NOT NULL CHECK (octet_length(secret) BETWEEN 24 AND 64),
    created_at    timestamptz NOT NULL,
    created_by    text NOT NULL,
    state         text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    reason        text NOT NULL DEFAULT '',         -- why it is disabled
    edition       bigint NOT NULL DEFAULT 1,        -- one more with each resume: progress from before does not count
    cursor        text NOT NULL DEFAULT '',         -- everything before is delivered or dead; empty: nothing is
    failures      integer NOT NULL DEFAULT 0,       -- tries of what is due that failed
    failing_since timestamptz,
    last_error    text NOT NULL DEFAULT '',
    delivered_at  timestamptz,                      -- when something was delivered last
    PRIMARY KEY (id)
);

-- A thousand of each webhook at most are kept: a plain table does.
CREATE TABLE IF NOT EXISTS webhook_dead_letter (
    webhook_id text NOT NULL REFERENCES webhook ON DELETE CASCADE,
    number     bigint GENERATED ALWAYS AS IDENTITY,
    died_at    timestamptz NOT NULL,
    tries      integer NOT NULL,
    error      text NOT NULL,                       -- of the last try
    cursor     text NOT NULL,                       -- where a resume delivers it again
    events     jsonb NOT NULL,                      -- array of CloudEvents
    PRIMARY KEY (webhook_id, number)
);
