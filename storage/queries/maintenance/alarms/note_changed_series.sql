-- Note that the points of series have changed from a time on.
-- changed_series_pkey.
INSERT INTO changed_series AS stored (entity_id, name, start)
SELECT DISTINCT entity_id, name, %(start)s::timestamptz
FROM unnest(%(entities)s::text[], %(names)s::text[]) AS changed (entity_id, name)
ON CONFLICT (entity_id, name) DO UPDATE
SET start = least(stored.start, excluded.start), changes = stored.changes + 1;
