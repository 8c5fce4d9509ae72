-- Observations of a datastream in a half-open range, and those before it that the checks use, by time.
-- observation_key: the range is one scan of it, and so is the way back, over `count` rows or `duration`.
SELECT phenomenon_time, received_time, value, flags
FROM observation
WHERE datastream_id = %(datastream)s
    AND phenomenon_time < %(end)s
    AND phenomenon_time >= least(
        %(start)s,
        (
            SELECT min(phenomenon_time)
            FROM (
                SELECT phenomenon_time
                FROM observation
                WHERE datastream_id = %(datastream)s AND phenomenon_time < %(start)s
                ORDER BY phenomenon_time DESC
                LIMIT %(count)s
            ) AS newest
        ),
        (
            SELECT phenomenon_time
            FROM observation
            WHERE datastream_id = %(datastream)s
                AND phenomenon_time <= %(start)s::timestamptz - %(duration)s * interval '1 microsecond'
            ORDER BY phenomenon_time DESC
            LIMIT 1
        )
    )
ORDER BY phenomenon_time;
