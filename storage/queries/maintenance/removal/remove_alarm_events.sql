-- Delete events of alarms before a time, a limited number.
-- alarm_event_by_time.
DELETE FROM alarm_event
WHERE (alarm_id, revision, amendment) IN (
    SELECT alarm_id, revision, amendment
    FROM alarm_event
    WHERE told_time < %(end)s
    ORDER BY told_time
    LIMIT %(limit)s
);
