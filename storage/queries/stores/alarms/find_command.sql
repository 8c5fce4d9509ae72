-- A row if a command was applied: it is stored with its event.
-- alarm_event_pkey.
SELECT 1 FROM alarm_event WHERE alarm_id = %(alarm)s AND command = %(command)s LIMIT 1;
