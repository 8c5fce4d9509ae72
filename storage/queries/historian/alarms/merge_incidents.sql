-- Store incidents, a JSON array with one row for each, whose revision is greater than the stored one.
-- incident_pkey.
INSERT INTO incident AS stored (
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members
)
SELECT
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members
FROM jsonb_populate_recordset(NULL::incident, %(rows)s::jsonb)
ON CONFLICT (incident_id) DO UPDATE SET (
    revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time, members
) = (
    excluded.revision, excluded.time, excluded.told_time, excluded.cause, excluded.area, excluded.theme,
    excluded.open, excluded.severity, excluded.opened_time, excluded.closed_time, excluded.members
)
WHERE excluded.revision > stored.revision;
