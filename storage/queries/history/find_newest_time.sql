-- The time of the newest observation of a datastream before a time, as known now or at a time; null without one.
-- observation_key and superseded_observation_key, backwards.
SELECT max(newest.phenomenon_time)
FROM (
    (
        SELECT phenomenon_time
        FROM observation
        WHERE datastream_id = %(datastream)s
            AND phenomenon_time < %(end)s
            AND (%(known_at)s::timestamptz IS NULL OR received_time <= %(known_at)s)
        ORDER BY phenomenon_time DESC
        LIMIT 1
    )
    UNION ALL
    (
        SELECT phenomenon_time
        FROM superseded_observation
        WHERE datastream_id = %(datastream)s
            AND phenomenon_time < %(end)s
            AND received_time <= %(known_at)s::timestamptz
            AND superseded_time > %(known_at)s::timestamptz
        ORDER BY phenomenon_time DESC
        LIMIT 1
    )
) AS newest;
