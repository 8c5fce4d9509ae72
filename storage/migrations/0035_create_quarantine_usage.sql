-- How many bytes quarantine has, so that the historian can bound them: in all, of each feed and of each device.
-- Triggers keep it, whoever stores, replays or removes a message, in the transaction that does.
CREATE TABLE IF NOT EXISTS quarantine_usage (
    scope text PRIMARY KEY,                         -- 'all', 'feed: …' or 'device: … of …'
    bytes bigint NOT NULL
) WITH (fillfactor = 70);

-- Messages of which the bounds left the head only, and those that are only counted in the ledger. One row.
CREATE TABLE IF NOT EXISTS quarantine_limited (
    alone   boolean PRIMARY KEY DEFAULT true CHECK (alone),
    heads   bigint NOT NULL,
    counted bigint NOT NULL
);
INSERT INTO quarantine_limited (heads, counted) VALUES (0, 0) ON CONFLICT (alone) DO NOTHING;

-- The same in storage.stores.quarantine_usage: what a row takes, with its other columns and its index entries.
CREATE OR REPLACE FUNCTION quarantine_row_bytes(topic text, detail text, payload bytea) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT 512 + octet_length(topic) + octet_length(detail) + octet_length(payload) $$;

CREATE OR REPLACE FUNCTION quarantine_scopes(feed text, device text) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$ SELECT ARRAY['all', 'feed: ' || feed, 'device: ' || device || ' of ' || feed] $$;

CREATE OR REPLACE FUNCTION add_quarantine_usage(scopes text[], changes bigint[]) RETURNS void
LANGUAGE sql AS $$
    -- Ordered, so that two transactions do not deadlock.
    INSERT INTO quarantine_usage AS stored (scope, bytes)
    SELECT scope, sum(bytes) FROM unnest(scopes, changes) AS change (scope, bytes)
    GROUP BY scope HAVING sum(bytes) <> 0 ORDER BY scope
    ON CONFLICT (scope) DO UPDATE SET bytes = stored.bytes + excluded.bytes;
    DELETE FROM quarantine_usage WHERE scope = ANY(scopes) AND bytes <= 0 AND scope <> 'all';
$$;

CREATE OR REPLACE FUNCTION count_quarantine_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_quarantine_usage(array_agg(scope), array_agg(bytes)) FROM (
        SELECT unnest(quarantine_scopes(feed, device)) AS scope, quarantine_row_bytes(topic, detail, payload) AS bytes
        FROM added
    ) AS change HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_quarantine_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_quarantine_usage(array_agg(scope), array_agg(bytes)) FROM (
        SELECT unnest(quarantine_scopes(feed, device)) AS scope, -quarantine_row_bytes(topic, detail, payload) AS bytes
        FROM removed
    ) AS change HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_quarantine_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_quarantine_usage(array_agg(scope), array_agg(bytes)) FROM (
        SELECT unnest(quarantine_scopes(feed, device)) AS scope, quarantine_row_bytes(topic, detail, payload) AS bytes
        FROM added
        UNION ALL
        SELECT unnest(quarantine_scopes(feed, device)), -quarantine_row_bytes(topic, detail, payload) FROM removed
    ) AS change HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER quarantine_inserted AFTER INSERT ON quarantine
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_quarantine_inserted();
CREATE OR REPLACE TRIGGER quarantine_deleted AFTER DELETE ON quarantine
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_quarantine_deleted();
CREATE OR REPLACE TRIGGER quarantine_updated AFTER UPDATE ON quarantine
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_quarantine_updated();

-- What is there already. The row of all is always there: who bounds a message locks it.
INSERT INTO quarantine_usage (scope, bytes)
SELECT scope, sum(bytes)
FROM (
    SELECT 'all' AS scope, 0::bigint AS bytes
    UNION ALL
    SELECT unnest(quarantine_scopes(feed, device)), quarantine_row_bytes(topic, detail, payload) FROM quarantine
) AS stored
WHERE NOT EXISTS (SELECT FROM quarantine_usage)
GROUP BY scope
ON CONFLICT (scope) DO NOTHING;
