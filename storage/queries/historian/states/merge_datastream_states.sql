-- Store staged datastream states whose revision is greater; ordered, so that two writers do not deadlock.
-- datastream_state_pkey.
INSERT INTO datastream_state AS stored (datastream_id, phenomenon_time, received_time, value, flags, revision)
SELECT datastream_id, phenomenon_time, received_time, value, flags, revision
FROM staged_datastream_state
ORDER BY datastream_id
ON CONFLICT (datastream_id) DO UPDATE
SET phenomenon_time = excluded.phenomenon_time, received_time = excluded.received_time,
    value = excluded.value, flags = excluded.flags, revision = excluded.revision
WHERE excluded.revision > stored.revision;
