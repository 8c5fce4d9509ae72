-- Published values of an entity in buckets, in any order, with the columns of list_buckets; the datastream is 0.
-- entity_value_key, in the chunks that the range touches.
-- A value dated to the end of its window belongs to the bucket that ends then: back is then a microsecond.
WITH measured AS (
    SELECT phenomenon_time, flags, CASE WHEN flags & %(unusable)s::smallint = 0 THEN value END AS value,
        CASE WHEN %(zone)s = 'UTC' THEN time_bucket(%(interval)s::interval, phenomenon_time - %(back)s)
            ELSE time_bucket(%(interval)s::interval, phenomenon_time - %(back)s, %(zone)s)
        END AS start
    FROM entity_value
    WHERE entity_id = %(entity)s AND name = %(name)s
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND value IS NOT NULL
)
SELECT start, 0, ARRAY[0], ARRAY[count(value)], count(*) - count(value), bit_or(flags),
    sum(value), min(value), max(value),
    first(value, phenomenon_time) FILTER (WHERE value IS NOT NULL),
    last(value, phenomenon_time) FILTER (WHERE value IS NOT NULL),
    sum(sind(value)) FILTER (WHERE %(circular)s), sum(cosd(value)) FILTER (WHERE %(circular)s),
    string_agg(float8send(value), '') FILTER (WHERE %(percentiles)s AND value IS NOT NULL),
    NULL::float8 AS increase, NULL::bytea AS sketches, 0 AS sketch_count
FROM measured
GROUP BY start;
