-- Store values of areas that were computed again, unless the stored one has changed since it was read.
-- entity_value_key.
--
-- The revision stays: whatever the stream emits later replaces the value, and what it emitted before does not.
INSERT INTO entity_value AS stored (
    entity_id, name, phenomenon_time, value, flags, count, members, members_expected, revision
)
SELECT entity_id, %(name)s, phenomenon_time, value, flags, count, members, members_expected, revision
FROM unnest(
    %(areas)s::text[], %(times)s::timestamptz[], %(values)s::float8[], %(flags)s::smallint[], %(counts)s::integer[],
    %(members)s::integer[], %(expected)s::integer[], %(revisions)s::bigint[]
) AS told (entity_id, phenomenon_time, value, flags, count, members, members_expected, revision)
ON CONFLICT (entity_id, name, phenomenon_time) DO UPDATE
SET value = excluded.value, flags = excluded.flags, count = excluded.count, members = excluded.members,
    members_expected = excluded.members_expected
WHERE excluded.revision = stored.revision;
