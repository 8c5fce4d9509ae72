-- The start of the first hourly aggregate of a datastream before a time.
-- aggregate_hour_key.
SELECT start FROM aggregate_hour WHERE datastream_id = %(datastream)s AND start < %(end)s ORDER BY start LIMIT 1;
