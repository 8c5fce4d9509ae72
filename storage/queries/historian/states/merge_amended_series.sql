-- Store the greatest revision of an amendment of series; the stream continues above it on a new log.
-- amended_series_pkey.
INSERT INTO amended_series AS stored (entity_id, name, revision)
SELECT entity_id, name, revision
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS told (entity_id, name, revision)
ON CONFLICT (entity_id, name) DO UPDATE SET revision = excluded.revision
WHERE excluded.revision > stored.revision;
