-- The newest few observations of each datastream before a time, by datastream, newest first.
-- observation_key, read backwards; assessment_key for each row of the answer.
SELECT earlier.datastream_id, earlier.phenomenon_time, earlier.value,
    earlier.flags | coalesce((
        SELECT flags
        FROM assessment
        WHERE datastream_id = earlier.datastream_id AND phenomenon_time = earlier.phenomenon_time
    ), 0::smallint)
FROM unnest(%(datastreams)s::integer[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT datastream_id, phenomenon_time, value, flags
    FROM observation
    WHERE datastream_id = asked.id
        AND phenomenon_time < %(start)s
        AND (%(known_at)s::timestamptz IS NULL OR received_time <= %(known_at)s)
    ORDER BY phenomenon_time DESC
    LIMIT %(limit)s
) AS earlier
ORDER BY earlier.datastream_id, earlier.phenomenon_time DESC;
