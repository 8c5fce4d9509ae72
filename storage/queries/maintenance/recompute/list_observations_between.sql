-- Observations of a datastream in a half-open range, by time.
-- observation_key: the range is one scan of it.
SELECT phenomenon_time, received_time, value, flags, coalesce(rank, 0)
FROM observation
WHERE datastream_id = %(datastream)s AND phenomenon_time >= %(start)s AND phenomenon_time < %(end)s
ORDER BY phenomenon_time;
