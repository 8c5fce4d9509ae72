-- The last incident of each cause and area, and all open incidents.
-- incident_by_cause.
WITH last AS (
    SELECT DISTINCT ON (cause, area) incident_id
    FROM incident
    ORDER BY cause, area, length(incident_id) DESC, incident_id DESC
)
SELECT
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members::text
FROM incident
WHERE open OR incident_id IN (SELECT incident_id FROM last);
