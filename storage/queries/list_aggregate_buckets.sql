-- Stored aggregates of one size brought together in buckets, of each datastream by itself, oldest first.
-- aggregate_minute_key, aggregate_ten_minutes_key, aggregate_hour_key or aggregate_day_key.
--
-- The same columns as list_buckets. Three of the four branches are false before anything is read.
WITH stored AS (
    SELECT datastream_id, start, count, suspect, flags, minimum, maximum, mean, sum, first, last, sketch
    FROM aggregate_minute
    WHERE %(source)s = 'minute' AND datastream_id = ANY(%(datastreams)s::integer[])
        AND start >= %(start)s AND start < %(end)s
    UNION ALL
    SELECT datastream_id, start, count, suspect, flags, minimum, maximum, mean, sum, first, last, sketch
    FROM aggregate_ten_minutes
    WHERE %(source)s = 'ten_minutes' AND datastream_id = ANY(%(datastreams)s::integer[])
        AND start >= %(start)s AND start < %(end)s
    UNION ALL
    SELECT datastream_id, start, count, suspect, flags, minimum, maximum, mean, sum, first, last, sketch
    FROM aggregate_hour
    WHERE %(source)s = 'hour' AND datastream_id = ANY(%(datastreams)s::integer[])
        AND start >= %(start)s AND start < %(end)s
    UNION ALL
    SELECT datastream_id, start, count, suspect, flags, minimum, maximum, mean, sum, first, last, sketch
    FROM aggregate_day
    WHERE %(source)s = 'day' AND datastream_id = ANY(%(datastreams)s::integer[])
        AND start >= %(start)s AND start < %(end)s
), placed AS (
    SELECT stored.*, CASE WHEN %(zone)s = 'UTC' THEN time_bucket(%(interval)s::interval, stored.start)
        ELSE time_bucket(%(interval)s::interval, stored.start, %(zone)s) END AS bucket
    FROM stored
)
SELECT bucket, datastream_id, sum(count)::bigint, sum(suspect)::bigint, bit_or(flags),
    sum(mean * count) FILTER (WHERE count > 0), min(minimum), max(maximum),
    first(first, start) FILTER (WHERE count > 0), last(last, start) FILTER (WHERE count > 0),
    sum(sind(mean) * count) FILTER (WHERE %(circular)s AND mean IS NOT NULL),
    sum(cosd(mean) * count) FILTER (WHERE %(circular)s AND mean IS NOT NULL),
    NULL::float8[] AS values, sum(sum),
    array_agg(sketch) FILTER (WHERE %(percentiles)s AND length(sketch) > 0)
FROM placed
GROUP BY bucket, datastream_id
ORDER BY bucket, datastream_id;
