-- Every state of some incidents that was told up to a time, in order.
-- incident_event_pkey.
SELECT
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members::text
FROM incident_event
WHERE incident_id = ANY(%(incidents)s::text[]) AND told_time <= %(at)s
ORDER BY incident_id, revision
LIMIT %(limit)s;
