-- A page of stored observations after a position, by time and datastream: a part of list_observations.
-- observation_key, in the chunks that the range touches.
--
-- Each datastream is cut to a page first, which the index has in order; then all of them together.
page AS MATERIALIZED (
    SELECT first.*
    FROM unnest(%(datastreams)s::integer[]) AS asked (id)
    CROSS JOIN LATERAL (
        SELECT datastream_id, phenomenon_time, received_time, value, flags
        FROM observation
        WHERE datastream_id = asked.id
            AND phenomenon_time >= %(start)s
            AND phenomenon_time >= %(after_time)s
            AND phenomenon_time < %(end)s
            AND (phenomenon_time > %(after_time)s OR datastream_id > %(after_datastream)s)
        ORDER BY phenomenon_time
        LIMIT %(limit)s
    ) AS first
    ORDER BY phenomenon_time, datastream_id
    LIMIT %(limit)s
)
