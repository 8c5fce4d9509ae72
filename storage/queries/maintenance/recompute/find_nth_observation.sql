-- The time of the n-th observation of a datastream from a time on, or of its last one; or NULL.
-- observation_key.
SELECT max(phenomenon_time)
FROM (
    SELECT phenomenon_time
    FROM observation
    WHERE datastream_id = %(datastream)s
        AND phenomenon_time >= %(start)s
        AND phenomenon_time < %(end)s
    ORDER BY phenomenon_time
    LIMIT %(count)s
) AS next;
