-- Delete a request to repair an alarm that was processed, unless it has changed meanwhile.
-- alarm_repair_request_pkey.
DELETE FROM alarm_repair_request
WHERE rule = %(rule)s AND entity_id = %(entity)s AND requests = %(requests)s;
