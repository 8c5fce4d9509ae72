-- Who changed what through the API, and who read whose personal data.
CREATE TABLE IF NOT EXISTS audit_record (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL,
    principal text NOT NULL,      -- name of the API key or token
    role text NOT NULL,
    operation text NOT NULL,      -- operationId of /v1/openapi.json
    target text NOT NULL,         -- path and query of the request
    status smallint NOT NULL,     -- of the answer
    households text[] NOT NULL,   -- entities whose personal data was in the answer
    contacts text[] NOT NULL,     -- contacts whose addresses were in the answer
    trace_id bytea NOT NULL CHECK (octet_length(trace_id) = 16),
    parent_span_id bytea CHECK (octet_length(parent_span_id) = 8), -- of the caller; NULL: it sent none
    span_id bytea NOT NULL CHECK (octet_length(span_id) = 8),
    sent_at timestamptz           -- to the collector of processing logs
);
CREATE INDEX IF NOT EXISTS audit_record_newest ON audit_record (time DESC, id DESC);
CREATE INDEX IF NOT EXISTS audit_record_is_unsent ON audit_record (id) WHERE sent_at IS NULL AND households <> '{}';
