-- Messages to a contact over a channel that a reply may answer and that were due since a time, newest first.
-- notification_newest_with_reply.
SELECT
    notification_id, revision, incident_id, kind, round, step, contact, channel, outcome, attempt, time,
    due_time, title, detail, digest, answerable
FROM notification
WHERE contact = %(contact)s AND channel = %(channel)s AND answerable <> '' AND due_time >= %(start)s
ORDER BY due_time DESC
LIMIT %(limit)s;
