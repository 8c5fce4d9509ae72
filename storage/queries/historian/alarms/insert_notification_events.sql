-- Store events of notifications, a JSON array of rows; known events stay.
-- notification_event_pkey.
INSERT INTO notification_event (
    notification_id, revision, incident_id, kind, round, step, contact, channel, outcome, attempt, time,
    due_time, title, detail, digest, answerable
)
SELECT
    notification_id, revision, incident_id, kind, round, step, contact, channel, outcome, attempt, time,
    due_time, title, detail, digest, answerable
FROM jsonb_populate_recordset(NULL::notification_event, %(rows)s::jsonb)
ON CONFLICT (notification_id, revision) DO NOTHING;
