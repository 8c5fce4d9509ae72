-- Delete events of incidents before a time, a limited number.
-- incident_event_by_time.
DELETE FROM incident_event
WHERE (incident_id, revision) IN (
    SELECT incident_id, revision FROM incident_event WHERE told_time < %(end)s ORDER BY told_time LIMIT %(limit)s
);
