-- The newest usable observation of a datastream in a half-open range: time and value as received.
-- observation_key, read backwards to that row; assessment_key for each row.
SELECT phenomenon_time, value
FROM observation
WHERE datastream_id = %(datastream)s
    AND phenomenon_time >= %(earliest)s
    AND phenomenon_time < %(time)s
    AND (
        flags | coalesce((
            SELECT flags
            FROM assessment
            WHERE datastream_id = observation.datastream_id
                AND phenomenon_time = observation.phenomenon_time
        ), 0::smallint)
    ) & %(unusable)s = 0
ORDER BY phenomenon_time DESC
LIMIT 1;
