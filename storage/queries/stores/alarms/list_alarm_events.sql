-- The events of one alarm before a revision and amendment, newest first.
-- alarm_event_pkey.
SELECT
    alarm_id, revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id,
    sensor, theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands::text, sentence_en,
    sentence_nl, worst, amendment
FROM alarm_event
WHERE alarm_id = %(alarm)s AND (revision, amendment) < (%(before)s, %(amendment)s)
ORDER BY revision DESC, amendment DESC
LIMIT %(limit)s;
