-- Published values of an entity, of one name, in a half-open range after a time, oldest first.
-- entity_value_key, in the chunks that the range touches.
SELECT phenomenon_time, value, flags, count, revision, members, members_expected
FROM entity_value
WHERE entity_id = %(entity)s AND name = %(name)s
    AND phenomenon_time >= %(start)s
    AND phenomenon_time < %(end)s
    AND phenomenon_time > %(after)s
    AND value IS NOT NULL
ORDER BY phenomenon_time
LIMIT %(limit)s;
