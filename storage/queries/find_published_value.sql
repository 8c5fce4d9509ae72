-- The newest published value of an entity, of one name, up to a time and not further back than a reach.
-- entity_value_key, in the chunks before the time.
SELECT phenomenon_time, value, flags, count, revision
FROM entity_value
WHERE entity_id = %(entity)s AND name = %(name)s
    AND phenomenon_time <= %(until)s
    AND phenomenon_time > %(until)s::timestamptz - %(reach)s * interval '1 microsecond'
ORDER BY phenomenon_time DESC
LIMIT 1;
