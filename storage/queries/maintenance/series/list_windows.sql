-- Stored windows of one size by datastream and start, without percentiles.
-- aggregate_ten_minutes_key or the like, once for each.
SELECT stored.datastream_id, stored.start, revision, count, suspect, expected, flags, minimum, maximum, mean, sum,
    first, last, ''::bytea
FROM unnest(%s::integer[], %s::timestamptz[]) AS asked (datastream_id, start)
JOIN {table} AS stored ON stored.datastream_id = asked.datastream_id AND stored.start = asked.start;
