-- Delete notifications that were due before a time, a limited number.
-- notification_newest.
DELETE FROM notification
WHERE notification_id IN (
    SELECT notification_id FROM notification WHERE due_time < %(end)s ORDER BY due_time LIMIT %(limit)s
);
