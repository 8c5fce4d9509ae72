-- Stored aggregates of one size combined in buckets, in any order, with the columns of list_buckets.
-- aggregate_minute_key, aggregate_ten_minutes_key, aggregate_hour_key or aggregate_day_key.
--
-- Sketches are concatenated. The planner removes three of the four branches.
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
), part AS (
    SELECT bucket, datastream_id, sum(count) AS count, sum(suspect) AS suspect, bit_or(flags) AS flags,
        sum(mean * count) FILTER (WHERE %(totals)s AND count > 0) AS total,
        min(minimum) FILTER (WHERE %(extremes)s) AS minimum,
        max(maximum) FILTER (WHERE %(extremes)s) AS maximum,
        first(first, start) FILTER (WHERE %(ends)s AND count > 0) AS first,
        last(last, start) FILTER (WHERE %(ends)s AND count > 0) AS last,
        sum(sind(mean) * count) FILTER (WHERE %(circular)s AND mean IS NOT NULL) AS sine,
        sum(cosd(mean) * count) FILTER (WHERE %(circular)s AND mean IS NOT NULL) AS cosine,
        sum(sum) FILTER (WHERE %(totals)s) AS increase,
        string_agg(sketch, '') FILTER (WHERE %(percentiles)s AND length(sketch) > 0) AS sketches,
        count(*) FILTER (WHERE %(percentiles)s AND length(sketch) > 0) AS sketch_count
    FROM placed
    GROUP BY bucket, datastream_id
)
SELECT bucket, CASE WHEN %(apart)s THEN datastream_id ELSE 0 END AS series,
    array_agg(datastream_id), array_agg(count), sum(suspect)::bigint, bit_or(flags),
    sum(total), min(minimum), max(maximum),
    first(first, datastream_id) FILTER (WHERE count > 0), last(last, datastream_id) FILTER (WHERE count > 0),
    sum(sine), sum(cosine), NULL::bytea AS values, sum(increase),
    string_agg(sketches, ''), sum(sketch_count)::bigint
FROM part
GROUP BY bucket, series;
