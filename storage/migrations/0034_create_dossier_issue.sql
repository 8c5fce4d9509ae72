-- The register of dossiers: who was given which one. A dossier has names of people and what devices sent.
CREATE TABLE IF NOT EXISTS dossier_issue (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    issued_to  text NOT NULL,                     -- name of an API key, or the user of the database
    alarm_id   text NOT NULL,
    occurrence integer NOT NULL,
    known_at   timestamptz NOT NULL,              -- the instant that the dossier is about
    sha256     bytea NOT NULL CHECK (octet_length(sha256) = 32)    -- of the file
);
-- For the dossiers of one alarm, newest first.
CREATE INDEX IF NOT EXISTS dossier_issue_by_alarm ON dossier_issue (alarm_id, id DESC);
