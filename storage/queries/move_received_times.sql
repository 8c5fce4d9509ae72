-- After the merge: duplicates that were received later move the stored received_time on, and nothing else.
-- observation_key finds the key.
INSERT INTO observation AS stored (phenomenon_time, received_time, value, datastream_id, flags)
SELECT phenomenon_time, received_time, value, datastream_id, flags
FROM staged_observation
ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE
SET received_time = excluded.received_time
WHERE excluded.received_time > stored.received_time
    AND (excluded.value, excluded.flags) = (stored.value, stored.flags);
