-- Request repairs of hours; a later request of the same log, or a request of another log, replaces one.
-- repair_request_pkey.
INSERT INTO repair_request AS stored (log_id, datastream_id, start, partition, log_offset, requested_at)
SELECT %s, datastream_id, start, partition, log_offset, requested_at
FROM unnest(%s::integer[], %s::timestamptz[], %s::integer[], %s::bigint[], %s::timestamptz[])
    AS asked (datastream_id, start, partition, log_offset, requested_at)
ON CONFLICT (datastream_id, start) DO UPDATE
SET log_id = excluded.log_id, partition = excluded.partition, log_offset = excluded.log_offset,
    requested_at = excluded.requested_at
WHERE excluded.log_id <> stored.log_id OR excluded.log_offset > stored.log_offset;
