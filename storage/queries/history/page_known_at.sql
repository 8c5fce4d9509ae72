-- A page of observations as they were known at a time: a part of list_observations.
-- observation_key and superseded_observation_key, in the chunks that the range touches.
--
-- Of two versions known then, the one received last was in force.
stored AS (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= greatest(%(start)s, %(after_time)s)
        AND phenomenon_time < %(end)s
        AND (phenomenon_time, datastream_id) > (%(after_time)s, %(after_datastream)s)
        AND received_time <= %(known_at)s
    UNION ALL
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM superseded_observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= greatest(%(start)s, %(after_time)s)
        AND phenomenon_time < %(end)s
        AND (phenomenon_time, datastream_id) > (%(after_time)s, %(after_datastream)s)
        AND received_time <= %(known_at)s
        AND superseded_time > %(known_at)s
), page AS MATERIALIZED (
    SELECT DISTINCT ON (phenomenon_time, datastream_id)
        datastream_id, phenomenon_time, received_time, value, flags
    FROM stored
    ORDER BY phenomenon_time, datastream_id, received_time DESC
    LIMIT %(limit)s
)
