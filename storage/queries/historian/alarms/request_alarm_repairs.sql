-- Request repairs of alarms, a JSON array of rows; an open request of the same alarm becomes the earlier of both.
-- alarm_repair_request_pkey.
--
-- How far the log must be stored before is determined later, also for a request that was determined already.
INSERT INTO alarm_repair_request AS stored (rule, entity_id, start, requested_at)
SELECT rule, entity_id, start, requested_at
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS asked (rule text, entity_id text, start timestamptz, requested_at timestamptz)
ON CONFLICT (rule, entity_id) DO UPDATE
SET start = least(stored.start, excluded.start), requests = stored.requests + 1,
    requested_at = greatest(stored.requested_at, excluded.requested_at),
    positions = NULL, last_revision = NULL;
