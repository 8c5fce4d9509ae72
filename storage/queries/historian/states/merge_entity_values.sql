-- Store derived values of entities whose revision is greater than the stored one.
-- entity_value_key.
INSERT INTO entity_value AS stored (
    entity_id, name, phenomenon_time, value, flags, count, revision, members, members_expected
)
SELECT entity_id, name, phenomenon_time, value, flags, count, revision, members, members_expected
FROM unnest(
    %s::text[], %s::text[], %s::timestamptz[], %s::float8[], %s::smallint[], %s::integer[], %s::bigint[],
    %s::integer[], %s::integer[]
) AS told (entity_id, name, phenomenon_time, value, flags, count, revision, members, members_expected)
ON CONFLICT (entity_id, name, phenomenon_time) DO UPDATE
SET value = excluded.value, flags = excluded.flags, count = excluded.count, revision = excluded.revision,
    members = excluded.members, members_expected = excluded.members_expected
WHERE excluded.revision > stored.revision;
