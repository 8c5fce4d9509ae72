-- How many observations the hours of a datastream count, and their flags, in a half-open range.
-- aggregate_hour_key.
SELECT start, count, suspect, flags
FROM aggregate_hour
WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s;
