-- Store derived values that were computed again, unless the stored one has changed since it was read.
-- entity_value_key.
--
-- The revision stays: whatever the stream emits later replaces the value, and what it emitted before does not.
INSERT INTO entity_value AS stored (entity_id, name, phenomenon_time, value, flags, count, revision)
SELECT %(entity)s, name, phenomenon_time, value, flags, count, revision
FROM unnest(
    %(names)s::text[], %(times)s::timestamptz[], %(values)s::float8[], %(flags)s::smallint[], %(counts)s::integer[],
    %(revisions)s::bigint[]
) AS told (name, phenomenon_time, value, flags, count, revision)
ON CONFLICT (entity_id, name, phenomenon_time) DO UPDATE
SET value = excluded.value, flags = excluded.flags, count = excluded.count
WHERE excluded.revision = stored.revision;
