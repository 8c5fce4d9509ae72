-- The newest observations of a datastream before a time, a limited number, oldest first.
-- observation_key, read backwards for that many rows, and not before `since`: each chunk costs time to plan.
SELECT newest.*
FROM (
    SELECT phenomenon_time, received_time, value, flags, coalesce(rank, 0)
    FROM observation
    WHERE datastream_id = %(datastream)s AND phenomenon_time < %(time)s AND phenomenon_time >= %(since)s
    ORDER BY phenomenon_time DESC
    LIMIT %(count)s
) AS newest
ORDER BY newest.phenomenon_time;
