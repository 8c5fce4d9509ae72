-- Webhooks from before have the form of CloudEvents that they had, and did not ask for consent.
ALTER TABLE webhook
    ADD COLUMN IF NOT EXISTS format text NOT NULL DEFAULT 'livetwin' CHECK (format IN ('nlgov', 'livetwin')),
    ADD COLUMN IF NOT EXISTS handshake boolean NOT NULL DEFAULT false, -- whether the receiver is asked for consent
    ADD COLUMN IF NOT EXISTS consented_at timestamptz,                 -- when the receiver consented; NULL: not yet
    ADD COLUMN IF NOT EXISTS rate_max integer CHECK (rate_max > 0);    -- requests a minute; NULL: not limited
