-- The last stored revision of a series of each area in a half-open range, also of withdrawn values; 0 without any.
-- entity_value_key, once for each area.
SELECT asked.entity_id, coalesce((
    SELECT max(revision)
    FROM entity_value
    WHERE entity_id = asked.entity_id
        AND name = %(name)s
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
), 0)
FROM unnest(%(areas)s::text[]) AS asked (entity_id);
