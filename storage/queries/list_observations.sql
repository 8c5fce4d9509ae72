-- Observations of some datastreams in a half-open range behind a place, oldest first.
-- observation_key, in the chunks that the range touches.
SELECT datastream_id, phenomenon_time, received_time, value, flags
FROM observation
WHERE datastream_id = ANY(%(datastreams)s::integer[])
    AND phenomenon_time >= greatest(%(start)s, %(after_time)s)
    AND phenomenon_time < %(end)s
    AND (phenomenon_time, datastream_id) > (%(after_time)s, %(after_datastream)s)
ORDER BY phenomenon_time, datastream_id
LIMIT %(limit)s;
