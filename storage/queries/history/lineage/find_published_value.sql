-- The newest published value of an entity, of one name, up to a time and after a floor.
-- entity_value_key, in the chunks between the two.
SELECT phenomenon_time, value, flags, count, revision, members, members_expected
FROM entity_value
WHERE entity_id = %(entity)s AND name = %(name)s
    AND phenomenon_time <= %(until)s
    AND phenomenon_time > %(floor)s
    AND value IS NOT NULL
ORDER BY phenomenon_time DESC
LIMIT 1;
