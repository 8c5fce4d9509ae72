-- Request repairs of alarms, a JSON array of rows; an open request of the same alarm becomes the earlier of both.
-- alarm_repair_request_pkey.
--
-- Requests with empty positions need no record of the log to be stored before; the others need them to be determined.
INSERT INTO alarm_repair_request AS stored (rule, entity_id, start, requested_at, log_id, positions)
SELECT rule, entity_id, start, requested_at, log_id, positions
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS asked (
        rule text, entity_id text, start timestamptz, requested_at timestamptz, log_id text, positions jsonb
    )
ON CONFLICT (rule, entity_id) DO UPDATE
SET start = least(stored.start, excluded.start), requests = stored.requests + 1,
    requested_at = greatest(stored.requested_at, excluded.requested_at),
    positions = CASE WHEN excluded.positions = '{}' THEN stored.positions END;
