-- The incidents of a cause and area that were open in a time range.
-- incident_by_cause.
SELECT incident_id
FROM incident
WHERE cause = %(cause)s AND area = %(area)s
    AND opened_time <= %(end)s
    AND (closed_time IS NULL OR closed_time >= %(start)s)
ORDER BY length(incident_id) DESC, incident_id DESC
LIMIT %(limit)s;
