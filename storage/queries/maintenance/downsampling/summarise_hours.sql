-- Expected observations and the greatest revision of the hours of a datastream, by days of a time zone.
-- aggregate_hour_key.
SELECT time_bucket('1 day', start, %(zone)s) AS day, sum(expected), max(revision)
FROM aggregate_hour
WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
GROUP BY day
ORDER BY day;
