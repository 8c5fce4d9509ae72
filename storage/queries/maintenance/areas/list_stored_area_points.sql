-- The stored values of a series of areas in a half-open range, also those that were withdrawn.
-- entity_value_key, once for each area.
SELECT asked.entity_id, one.phenomenon_time, one.value, one.flags, one.count, one.members, one.members_expected,
    one.revision
FROM unnest(%(areas)s::text[]) AS asked (entity_id)
CROSS JOIN LATERAL (
    SELECT phenomenon_time, value, flags, count, members, members_expected, revision
    FROM entity_value
    WHERE entity_id = asked.entity_id
        AND name = %(name)s
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
) AS one;
