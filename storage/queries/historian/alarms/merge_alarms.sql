-- Store alarms, a JSON array with one row for each, whose revision is greater than the stored one.
-- alarm_pkey.
INSERT INTO alarm AS stored (
    alarm_id, revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id,
    sensor, theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands, sentence_en,
    sentence_nl, worst
)
SELECT
    alarm_id, revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id,
    sensor, theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands, sentence_en,
    sentence_nl, worst
FROM jsonb_populate_recordset(NULL::alarm, %(rows)s::jsonb)
ON CONFLICT (alarm_id) DO UPDATE SET (
    revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id, sensor,
    theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands, sentence_en,
    sentence_nl, worst
) = (
    excluded.revision, excluded.kind, excluded.time, excluded.told_time, excluded.late, excluded.actor,
    excluded.text, excluded.command, excluded.rule, excluded.rule_version, excluded.entity_id,
    excluded.sensor, excluded.theme, excluded.state, excluded.active, excluded.severity,
    excluded.occurrence, excluded.raised_time, excluded.returned_time, excluded.acknowledged_time,
    excluded.acknowledged_by, excluded.shelved_until, excluded.suppressed_by, excluded.assignee,
    excluded.cause, excluded.area, excluded.operands, excluded.sentence_en, excluded.sentence_nl,
    excluded.worst
)
WHERE excluded.revision > stored.revision;
