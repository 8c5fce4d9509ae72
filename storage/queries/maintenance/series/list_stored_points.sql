-- The stored values of derived series of an entity in a half-open range, also those that were withdrawn.
-- entity_value_key, once for each series.
SELECT one.name, one.phenomenon_time, one.value, one.flags, one.count, one.revision
FROM unnest(%(names)s::text[]) AS asked (name)
CROSS JOIN LATERAL (
    SELECT name, phenomenon_time, value, flags, count, revision
    FROM entity_value
    WHERE entity_id = %(entity)s
        AND name = asked.name
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
) AS one;
