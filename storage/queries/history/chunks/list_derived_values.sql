-- Derived values of entities in a half-open range, oldest first for each series.
-- entity_value_key, once for each series.
SELECT asked.entity_id, asked.name, one.phenomenon_time, one.value, one.flags
FROM unnest(%(entities)s::text[], %(names)s::text[]) AS asked (entity_id, name)
CROSS JOIN LATERAL (
    SELECT phenomenon_time, value, flags
    FROM entity_value
    WHERE entity_id = asked.entity_id
        AND name = asked.name
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND value IS NOT NULL
    ORDER BY phenomenon_time
) AS one;
