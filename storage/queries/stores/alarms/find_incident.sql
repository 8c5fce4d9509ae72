-- The newest event of an incident.
-- incident_pkey.
SELECT
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members::text
FROM incident
WHERE incident_id = %(incident)s;
