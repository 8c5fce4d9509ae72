-- The newest point of each derived series of entities, behind those after it that were withdrawn (NaN), newest first.
-- entity_value_key, backwards to the newest point of each series.
SELECT asked.entity_id, asked.name, one.phenomenon_time, coalesce(one.value, 'NaN'), one.flags, one.count
FROM unnest(%(entities)s::text[], %(names)s::text[]) AS asked (entity_id, name)
LEFT JOIN LATERAL (
    SELECT phenomenon_time
    FROM entity_value
    WHERE entity_id = asked.entity_id
        AND name = asked.name
        AND value IS NOT NULL
        AND value <> 'NaN'
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS good ON true
CROSS JOIN LATERAL (
    SELECT phenomenon_time, value, flags, count
    FROM entity_value
    WHERE entity_id = asked.entity_id
        AND name = asked.name
        AND phenomenon_time >= coalesce(good.phenomenon_time, '-infinity')
    ORDER BY phenomenon_time DESC
    LIMIT %(limit)s
) AS one
ORDER BY asked.entity_id, asked.name, one.phenomenon_time DESC;
