-- By days of a time zone: what is expected of a datastream and the greatest revision of its hours.
-- aggregate_hour_key.
SELECT time_bucket('1 day', start, %(zone)s) AS day, sum(expected), max(revision)
FROM aggregate_hour
WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s
GROUP BY day
ORDER BY day;
