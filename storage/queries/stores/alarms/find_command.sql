-- Whether a command was done: the event that it made of its alarm.
-- alarm_event_pkey.
SELECT 1 FROM alarm_event WHERE alarm_id = %(alarm)s AND command = %(command)s LIMIT 1;
