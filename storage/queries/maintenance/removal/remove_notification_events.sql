-- Delete events of notifications before a time, a limited number.
-- notification_event_by_time.
DELETE FROM notification_event
WHERE (notification_id, revision) IN (
    SELECT notification_id, revision FROM notification_event WHERE time < %(end)s ORDER BY time LIMIT %(limit)s
);
