-- Note how far the log must be stored before a repair of an alarm, and which event is the last that it looks at.
-- alarm_repair_request_pkey.
--
-- A request that has changed meanwhile stays undetermined.
UPDATE alarm_repair_request
SET log_id = %(log_id)s, positions = %(positions)s::jsonb, last_revision = %(last_revision)s
WHERE rule = %(rule)s AND entity_id = %(entity)s AND requests = %(requests)s;
