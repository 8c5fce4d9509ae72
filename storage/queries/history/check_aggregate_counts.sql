-- Whether aggregates of one or ten minutes count as many observations as hours, in a half-open range of whole hours.
-- aggregate_minute_key or aggregate_ten_minutes_key, and aggregate_hour_key.
SELECT (
    SELECT coalesce(sum(count + suspect), 0)
    FROM (
        SELECT count, suspect
        FROM aggregate_minute
        WHERE %(source)s = 'minute' AND datastream_id = ANY(%(datastreams)s::integer[])
            AND start >= %(start)s AND start < %(end)s
        UNION ALL
        SELECT count, suspect
        FROM aggregate_ten_minutes
        WHERE %(source)s = 'ten_minutes' AND datastream_id = ANY(%(datastreams)s::integer[])
            AND start >= %(start)s AND start < %(end)s
    ) AS short
) >= (
    SELECT coalesce(sum(count + suspect), 0)
    FROM aggregate_hour
    WHERE datastream_id = ANY(%(datastreams)s::integer[]) AND start >= %(start)s AND start < %(end)s
) AS is_whole;
