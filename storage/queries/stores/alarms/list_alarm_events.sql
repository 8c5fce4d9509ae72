-- The events of one alarm before a revision, newest first.
-- alarm_event_pkey.
SELECT
    alarm_id, revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id,
    sensor, theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands::text, sentence_en,
    sentence_nl
FROM alarm_event
WHERE alarm_id = %(alarm)s AND revision < %(before)s
ORDER BY revision DESC
LIMIT %(limit)s;
