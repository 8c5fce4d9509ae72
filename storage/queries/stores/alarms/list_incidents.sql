-- Incidents after a position, newest first; filtered by open, theme, cause and area where given.
-- incident_newest.
SELECT
    incident_id, revision, time, told_time, cause, area, theme, open, severity, opened_time, closed_time,
    members::text
FROM incident
WHERE (%(open)s::boolean IS NULL OR open = %(open)s)
    AND (%(themes)s::text[] IS NULL OR theme = ANY(%(themes)s))
    AND (%(severities)s::smallint[] IS NULL OR severity = ANY(%(severities)s))
    AND (%(causes)s::text[] IS NULL OR cause = ANY(%(causes)s))
    AND (%(areas)s::text[] IS NULL OR area = ANY(%(areas)s))
    AND (opened_time, incident_id)
        < (coalesce(%(before_time)s, 'infinity'::timestamptz), coalesce(%(before_id)s, ''))
ORDER BY opened_time DESC, incident_id DESC
LIMIT %(limit)s;
