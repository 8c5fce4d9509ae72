-- The time of the newest stored derived value of each series; no row without one.
-- entity_value_key, backwards, once for each series.
SELECT asked.entity_id, asked.name, one.phenomenon_time
FROM unnest(%(entities)s::text[], %(names)s::text[]) AS asked (entity_id, name)
CROSS JOIN LATERAL (
    SELECT phenomenon_time
    FROM entity_value
    WHERE entity_id = asked.entity_id AND name = asked.name AND value IS NOT NULL
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS one;
