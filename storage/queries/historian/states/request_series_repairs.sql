-- Request repairs of days of derived series; a later request of the same log, or one of another log, replaces one.
-- series_repair_request_pkey.
--
-- A request without an offset is one of an area: it leaves the offset of another request of its log, which is awaited.
INSERT INTO series_repair_request AS stored (log_id, entity_id, name, day, partition, log_offset)
SELECT %s, entity_id, name, day, partition, log_offset
FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::integer[], %s::bigint[])
    AS asked (entity_id, name, day, partition, log_offset)
ON CONFLICT (entity_id, name, day) DO UPDATE
SET log_id = excluded.log_id,
    partition = CASE
        WHEN stored.log_id = excluded.log_id AND excluded.log_offset < 0 THEN stored.partition
        ELSE excluded.partition
    END,
    log_offset = CASE
        WHEN stored.log_id = excluded.log_id AND excluded.log_offset < 0 THEN stored.log_offset
        ELSE excluded.log_offset
    END,
    requests = stored.requests + 1, requested_at = now();
