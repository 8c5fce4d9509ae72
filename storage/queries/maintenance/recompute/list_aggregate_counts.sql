-- The number of observations in the hours of a datastream, in a half-open range.
-- aggregate_hour_key.
SELECT start, count + suspect
FROM aggregate_hour
WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s;
