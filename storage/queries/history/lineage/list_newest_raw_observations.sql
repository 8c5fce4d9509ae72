-- The newest observation of each datastream up to its own time, in the form of list_raw_observations, by datastream.
-- observation_key and assessment_key, in the chunks between floor and ceiling.
SELECT asked.datastream_id, newest.phenomenon_time, newest.received_time, newest.value,
    newest.flags | coalesce(found.flags, 0::smallint), coalesce(newest.rank, 0)
FROM unnest(%(datastreams)s::integer[], %(times)s::timestamptz[]) AS asked (datastream_id, until)
CROSS JOIN LATERAL (
    SELECT phenomenon_time, received_time, value, flags, rank
    FROM observation
    WHERE observation.datastream_id = asked.datastream_id
        AND observation.phenomenon_time <= asked.until
        AND observation.phenomenon_time > %(floor)s
        AND observation.phenomenon_time <= %(ceiling)s
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS newest
LEFT JOIN assessment AS found ON found.datastream_id = asked.datastream_id
    AND found.phenomenon_time = newest.phenomenon_time
    AND found.phenomenon_time > %(floor)s
    AND found.phenomenon_time <= %(ceiling)s
ORDER BY asked.datastream_id;
