-- Store events of incidents, a JSON array of rows; known events stay.
-- incident_event_pkey.
INSERT INTO incident_event (
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members
)
SELECT
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members
FROM jsonb_populate_recordset(NULL::incident_event, %(rows)s::jsonb)
ON CONFLICT (incident_id, revision) DO NOTHING;
