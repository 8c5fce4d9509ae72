-- The newest observation of each datastream where history is ahead of the stored state.
-- observation_key, read backwards for one row a datastream.
SELECT newest.datastream_id, newest.phenomenon_time, newest.received_time, newest.value, newest.flags
FROM datastream
CROSS JOIN LATERAL (
    SELECT datastream_id, phenomenon_time, received_time, value, flags
    FROM observation
    WHERE observation.datastream_id = datastream.id
    ORDER BY phenomenon_time DESC
    LIMIT 1
) AS newest
LEFT JOIN datastream_state AS state ON state.datastream_id = datastream.id
WHERE state.datastream_id IS NULL
   OR (newest.phenomenon_time, newest.received_time, newest.value, newest.flags)
    > (state.phenomenon_time, state.received_time, state.value, state.flags)
ORDER BY newest.datastream_id;
