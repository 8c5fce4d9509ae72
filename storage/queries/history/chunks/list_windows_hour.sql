-- Aggregates of datastreams that begin in a half-open range, oldest first of each.
-- aggregate_hour_key for each of those asked for.
SELECT one.datastream_id, one.start, one.revision, one.count, one.suspect, one.expected, one.flags, one.minimum,
    one.maximum, one.mean, one.sum
FROM unnest(%(datastreams)s::integer[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT *
    FROM aggregate_hour
    WHERE datastream_id = asked.id
        AND start >= %(start)s
        AND start < %(end)s
    ORDER BY start
) AS one;
