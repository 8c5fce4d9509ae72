-- Store notifications, a JSON array with one row for each, whose revision is greater than the stored one.
-- notification_pkey.
INSERT INTO notification AS stored (
    notification_id, revision, incident_id, kind, round, step, contact, channel, outcome, attempt, time,
    due_time, title, detail, digest, answerable
)
SELECT
    notification_id, revision, incident_id, kind, round, step, contact, channel, outcome, attempt, time,
    due_time, title, detail, digest, answerable
FROM jsonb_populate_recordset(NULL::notification, %(rows)s::jsonb)
ON CONFLICT (notification_id) DO UPDATE SET (
    revision, incident_id, kind, round, step, contact, channel, outcome, attempt, time, due_time, title,
    detail, digest, answerable
) = (
    excluded.revision, excluded.incident_id, excluded.kind, excluded.round, excluded.step,
    excluded.contact, excluded.channel, excluded.outcome, excluded.attempt, excluded.time,
    excluded.due_time, excluded.title, excluded.detail, excluded.digest, excluded.answerable
)
WHERE excluded.revision > stored.revision;
