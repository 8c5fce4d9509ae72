-- Add events to the past of alarms, a JSON array of rows; known ones stay.
-- alarm_event_pkey.
INSERT INTO alarm_event (
    alarm_id, revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id,
    sensor, theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands, sentence_en,
    sentence_nl, worst, amendment
)
SELECT
    alarm_id, revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id,
    sensor, theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands, sentence_en,
    sentence_nl, worst, amendment
FROM jsonb_populate_recordset(NULL::alarm_event, %(rows)s::jsonb)
ON CONFLICT (alarm_id, revision, amendment) DO NOTHING;
