-- Values of a derived series of entities in a half-open range, oldest first for each entity.
-- entity_value_key, once for each series.
SELECT asked.entity_id, one.phenomenon_time, one.value, one.flags, one.count
FROM unnest(%(entities)s::text[]) AS asked (entity_id)
CROSS JOIN LATERAL (
    SELECT phenomenon_time, value, flags, count
    FROM entity_value
    WHERE entity_id = asked.entity_id
        AND name = %(name)s
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND value IS NOT NULL
    ORDER BY phenomenon_time
) AS one;
