-- The first observations of a datastream from a time on, a limited number, by time.
-- observation_key, read for that many rows, and not from `until` on: each chunk costs time to plan.
SELECT phenomenon_time, received_time, value, flags, coalesce(rank, 0)
FROM observation
WHERE datastream_id = %(datastream)s AND phenomenon_time >= %(time)s AND phenomenon_time < %(until)s
ORDER BY phenomenon_time
LIMIT %(count)s;
