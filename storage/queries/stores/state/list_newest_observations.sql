-- The newest observations of each active datastream, a limited number of each, oldest first.
-- observation_key, read backwards for that many rows of each datastream.
SELECT newest.datastream_id, newest.phenomenon_time, newest.received_time, newest.value, newest.flags,
    coalesce(newest.rank, 0)
FROM datastream
CROSS JOIN LATERAL (
    SELECT datastream_id, phenomenon_time, received_time, value, flags, rank
    FROM observation
    WHERE observation.datastream_id = datastream.id
    ORDER BY phenomenon_time DESC
    LIMIT %(limit)s
) AS newest
WHERE datastream.active
ORDER BY newest.phenomenon_time, newest.datastream_id;
