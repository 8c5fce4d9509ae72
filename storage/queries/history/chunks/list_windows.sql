-- Aggregates of one size that begin in a half-open range, by datastream, oldest first.
-- aggregate_minute_key, aggregate_ten_minutes_key or aggregate_hour_key, once for each datastream.
SELECT one.datastream_id, one.start, one.revision, one.count, one.suspect, one.expected, one.flags, one.minimum,
    one.maximum, one.mean, one.sum
FROM unnest(%(datastreams)s::integer[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT *
    FROM {table}
    WHERE datastream_id = asked.id
        AND start >= %(start)s
        AND start < %(end)s
    ORDER BY start
) AS one;
