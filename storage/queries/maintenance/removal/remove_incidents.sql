-- Delete closed incidents that opened before a time, a limited number; the last of each cause and area stays.
-- incident_newest, incident_by_cause.
DELETE FROM incident
WHERE incident_id IN (
    SELECT incident_id FROM incident AS one
    WHERE opened_time < %(end)s AND NOT open AND EXISTS (
        SELECT FROM incident AS later
        WHERE later.cause = one.cause AND later.area = one.area
            AND (length(later.incident_id), later.incident_id) > (length(one.incident_id), one.incident_id)
    )
    ORDER BY opened_time
    LIMIT %(limit)s
);
