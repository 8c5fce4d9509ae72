-- The newest point of each derived series of entities, without those that were withdrawn.
-- entity_value_key, backwards for one row of each series.
SELECT asked.entity_id, asked.name, one.phenomenon_time, one.value, one.flags, one.count
FROM unnest(%s::text[], %s::text[]) AS asked (entity_id, name)
CROSS JOIN LATERAL (
    SELECT phenomenon_time, value, flags, count
    FROM entity_value
    WHERE entity_id = asked.entity_id
        AND name = asked.name
        AND value IS NOT NULL
        AND value <> 'NaN'
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS one;
