-- The revisions of the newest events of alarms.
-- alarm_pkey.
SELECT alarm_id, revision
FROM alarm
WHERE alarm_id = ANY(%(alarms)s::text[]);
