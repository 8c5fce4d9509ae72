-- The newest observation of each datastream among those received up to a place: a part of read_observation_columns.
-- observation_key and superseded_observation_key, backwards.
page AS MATERIALIZED (
    SELECT newest.datastream_id, newest.phenomenon_time, newest.received_time, newest.value, newest.flags
    FROM asked
    CROSS JOIN LATERAL (
        (
            SELECT datastream_id, phenomenon_time, received_time, value, flags
            FROM observation
            WHERE datastream_id = asked.datastream_id
                AND phenomenon_time >= %(start)s
                AND phenomenon_time < %(end)s
                AND phenomenon_time <= received_time + %(lead)s * interval '1 microsecond'
                AND (received_time, datastream_id, phenomenon_time)
                    <= (%(place_received)s, %(place_datastream)s, %(place_phenomenon)s)
            ORDER BY phenomenon_time DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT datastream_id, phenomenon_time, received_time, value, flags
            FROM superseded_observation
            WHERE datastream_id = asked.datastream_id
                AND phenomenon_time >= %(start)s
                AND phenomenon_time < %(end)s
                AND phenomenon_time <= received_time + %(lead)s * interval '1 microsecond'
                AND (received_time, datastream_id, phenomenon_time)
                    <= (%(place_received)s, %(place_datastream)s, %(place_phenomenon)s)
            ORDER BY phenomenon_time DESC, received_time DESC
            LIMIT 1
        )
        ORDER BY phenomenon_time DESC, received_time DESC
        LIMIT 1
    ) AS newest
)
