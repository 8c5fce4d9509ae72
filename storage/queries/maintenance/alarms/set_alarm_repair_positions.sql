-- Note how far the log must be stored before a repair of an alarm, unless the request has changed meanwhile.
-- alarm_repair_request_pkey.
UPDATE alarm_repair_request
SET log_id = %(log_id)s, positions = %(positions)s::jsonb
WHERE rule = %(rule)s AND entity_id = %(entity)s AND requests = %(requests)s;
