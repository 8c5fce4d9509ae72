-- The version of each observation that was known at a time: a part of list_buckets.
-- observation_key and superseded_observation_key, in the chunks that the range touches.
--
-- Of two versions known then, the one received last was in force.
stored AS (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND received_time <= %(known_at)s
    UNION ALL
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM superseded_observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND received_time <= %(known_at)s
        AND superseded_time > %(known_at)s
), version AS (
    SELECT DISTINCT ON (datastream_id, phenomenon_time)
        datastream_id, phenomenon_time, received_time, value, flags
    FROM stored
    ORDER BY datastream_id, phenomenon_time, received_time DESC
)
