-- A page of observations in the order of reception, with those that were replaced since: a part of read_observation_columns.
-- observation_by_reception, in the chunks that may have observations received then.
stored AS (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND phenomenon_time <= received_time + %(lead)s * interval '1 microsecond'
        AND received_time >= %(received_start)s
        AND received_time < %(received_end)s
    UNION ALL
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM superseded_observation
    WHERE datastream_id = ANY(%(datastreams)s::integer[])
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
        AND phenomenon_time <= received_time + %(lead)s * interval '1 microsecond'
        AND received_time >= %(received_start)s
        AND received_time < %(received_end)s
), page AS MATERIALIZED (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM stored
    WHERE (received_time, datastream_id, phenomenon_time)
        > (%(place_received)s, %(place_datastream)s, %(place_phenomenon)s)
    ORDER BY received_time, datastream_id, phenomenon_time
    LIMIT %(limit)s
)
