-- Store the staged datastream states where they are newer. Ordered, so that two writers do not deadlock.
-- datastream_state_pkey.
INSERT INTO datastream_state AS stored (datastream_id, phenomenon_time, received_time, value, flags)
SELECT datastream_id, phenomenon_time, received_time, value, flags
FROM staged_datastream_state
ORDER BY datastream_id
ON CONFLICT (datastream_id) DO UPDATE
SET phenomenon_time = excluded.phenomenon_time, received_time = excluded.received_time,
    value = excluded.value, flags = excluded.flags
WHERE (excluded.phenomenon_time, excluded.received_time, excluded.value, excluded.flags)
    > (stored.phenomenon_time, stored.received_time, stored.value, stored.flags);
