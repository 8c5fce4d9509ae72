-- Delete what happened to alarms before a time, at most so many.
-- alarm_event_by_time.
DELETE FROM alarm_event
WHERE (alarm_id, revision) IN (
    SELECT alarm_id, revision FROM alarm_event WHERE told_time < %(end)s ORDER BY told_time LIMIT %(limit)s
);
