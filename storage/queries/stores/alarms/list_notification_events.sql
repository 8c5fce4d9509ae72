-- Every state of the notifications of some incidents up to a time, in order.
-- notification_newest_of_incident, then notification_event_pkey.
SELECT
    event.notification_id, event.revision, event.incident_id, event.kind, event.round, event.step,
    event.contact, event.channel, event.outcome, event.attempt, event.time, event.due_time, event.title,
    event.detail, event.digest, event.answerable
FROM notification AS newest
JOIN notification_event AS event USING (notification_id)
WHERE newest.incident_id = ANY(%(incidents)s::text[]) AND event.time <= %(at)s
ORDER BY event.due_time, event.notification_id, event.revision
LIMIT %(limit)s;
