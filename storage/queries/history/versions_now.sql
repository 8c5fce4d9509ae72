-- The stored version of each observation of datastreams in a half-open range: a part of list_buckets.
-- observation_key, in the chunks that the range touches.
version AS (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
)
