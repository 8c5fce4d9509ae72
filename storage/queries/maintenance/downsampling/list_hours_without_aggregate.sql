-- The hours of a datastream in a half-open range that have observations but no aggregate.
-- observation_key and aggregate_hour_key.
SELECT DISTINCT time_bucket('1 hour', phenomenon_time) AS start
FROM observation
WHERE datastream_id = %(datastream)s AND phenomenon_time >= %(start)s AND phenomenon_time < %(end)s
EXCEPT
SELECT start
FROM aggregate_hour
WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
ORDER BY start;
