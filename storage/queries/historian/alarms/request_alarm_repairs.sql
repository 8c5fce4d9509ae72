-- Request repairs of alarms, a JSON array of rows; an open request of the same alarm becomes the earlier of both.
-- alarm_repair_request_pkey.
--
-- How far the log must be stored before is determined later. What was changed in storage is stored already: then a request
-- that was determined stays so, else changes that go on would postpone it for ever.
INSERT INTO alarm_repair_request AS stored (rule, entity_id, start, requested_at, has_changes)
SELECT rule, entity_id, start, requested_at, has_changes
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS asked (rule text, entity_id text, start timestamptz, requested_at timestamptz, has_changes boolean)
ON CONFLICT (rule, entity_id) DO UPDATE
SET start = least(stored.start, excluded.start), requests = stored.requests + 1,
    requested_at = greatest(stored.requested_at, excluded.requested_at),
    has_changes = stored.has_changes OR excluded.has_changes,
    positions = CASE WHEN excluded.has_changes THEN stored.positions END,
    last_revision = CASE WHEN excluded.has_changes THEN stored.last_revision END;
