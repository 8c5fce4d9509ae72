-- Observations as sent, with the flags of their assessments, in a half-open range, oldest first.
-- observation_key and assessment_key, in the chunks that the range touches.
SELECT observation.datastream_id, observation.phenomenon_time, observation.received_time, observation.value,
    observation.flags | coalesce(found.flags, 0::smallint), coalesce(observation.rank, 0)
FROM observation
LEFT JOIN assessment AS found ON found.datastream_id = observation.datastream_id
    AND found.phenomenon_time = observation.phenomenon_time
    AND found.phenomenon_time >= %(start)s
    AND found.phenomenon_time < %(end)s
WHERE observation.datastream_id = ANY(%(datastreams)s::integer[])
    AND observation.phenomenon_time >= %(start)s
    AND observation.phenomenon_time < %(end)s
ORDER BY observation.phenomenon_time, observation.datastream_id
LIMIT %(limit)s;
