-- Notifications after a position, newest first; filtered by incident, digest, contact and outcome where given.
-- notification_newest, notification_newest_of_incident or notification_newest_of_digest.
SELECT
    notification_id, revision, incident_id, kind, round, step, contact, channel, outcome, attempt, time,
    due_time, title, detail, digest, answerable
FROM notification
WHERE (%(incident)s::text IS NULL OR incident_id = %(incident)s)
    AND (%(digest)s::text IS NULL OR (digest = %(digest)s AND digest <> ''))
    AND (%(contact)s::text IS NULL OR contact = %(contact)s)
    AND (%(outcomes)s::text[] IS NULL OR outcome = ANY(%(outcomes)s))
    AND (due_time, notification_id)
        < (coalesce(%(before_time)s, 'infinity'::timestamptz), coalesce(%(before_id)s, ''))
ORDER BY due_time DESC, notification_id DESC
LIMIT %(limit)s;
