-- Delete the aggregates of an hour of a datastream in a half-open range.
-- aggregate_hour_key.
DELETE FROM aggregate_hour WHERE datastream_id = %(datastream)s AND start >= %(start)s AND start < %(end)s;
