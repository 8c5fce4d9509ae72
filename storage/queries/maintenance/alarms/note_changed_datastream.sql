-- Note that the points of the property of a datastream have changed from a time on.
-- datastream_pkey, changed_series_pkey.
INSERT INTO changed_series AS stored (entity_id, name, start)
SELECT entity_id, property, %(start)s::timestamptz
FROM datastream
WHERE id = %(datastream)s
ON CONFLICT (entity_id, name) DO UPDATE
SET start = least(stored.start, excluded.start), changes = stored.changes + 1;
