-- The run of equal values that ends with the last observation before a time: value, count, start, is it its beginning.
-- observation_key, read backwards over the run, but at most over `count` rows and one row before `duration`.
--
-- Nothing before `since` is read: each chunk costs time to plan, so every part has both bounds. It is known that the run
-- begins with its start if another value is before it.
WITH last AS (
    SELECT phenomenon_time, value
    FROM observation
    WHERE datastream_id = %(datastream)s AND phenomenon_time < %(time)s AND phenomenon_time >= %(since)s
    ORDER BY phenomenon_time DESC
    LIMIT 1
), reach AS (
    SELECT least(
        (
            SELECT min(phenomenon_time)
            FROM (
                SELECT phenomenon_time
                FROM observation
                WHERE datastream_id = %(datastream)s
                    AND phenomenon_time < %(time)s
                    AND phenomenon_time >= %(since)s
                ORDER BY phenomenon_time DESC
                LIMIT %(count)s
            ) AS newest
        ),
        coalesce(
            (
                SELECT phenomenon_time
                FROM observation
                WHERE datastream_id = %(datastream)s
                    AND phenomenon_time < %(time)s
                    AND phenomenon_time >= %(since)s
                    AND phenomenon_time
                        <= (SELECT phenomenon_time FROM last) - %(duration)s * interval '1 microsecond'
                ORDER BY phenomenon_time DESC
                LIMIT 1
            ),
            '-infinity'
        )
    ) AS start
), other AS (
    SELECT phenomenon_time
    FROM observation
    WHERE datastream_id = %(datastream)s
        AND phenomenon_time < %(time)s
        AND phenomenon_time >= %(since)s
        AND phenomenon_time < (SELECT phenomenon_time FROM last)
        AND phenomenon_time >= (SELECT start FROM reach)
        AND value <> (SELECT value FROM last)
    ORDER BY phenomenon_time DESC
    LIMIT 1
)
SELECT (SELECT value FROM last), count(*), min(phenomenon_time), EXISTS (SELECT FROM other)
FROM observation
WHERE datastream_id = %(datastream)s
    AND phenomenon_time < %(time)s
    AND phenomenon_time >= %(since)s
    AND phenomenon_time >= (SELECT start FROM reach)
    AND phenomenon_time > coalesce((SELECT phenomenon_time FROM other), '-infinity')
HAVING count(*) > 0;
