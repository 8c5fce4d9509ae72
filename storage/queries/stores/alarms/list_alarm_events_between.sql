-- Events of all alarms published in a time range, behind a position, oldest first, as known at a time.
-- alarm_event_by_time.
SELECT
    alarm_id, revision, kind, time, told_time, late, actor, text, command, rule, rule_version, entity_id,
    sensor, theme, state, active, severity, occurrence, raised_time, returned_time, acknowledged_time,
    acknowledged_by, shelved_until, suppressed_by, assignee, cause, area, operands::text, sentence_en,
    sentence_nl, worst, amendment
FROM alarm_event
WHERE told_time >= greatest(%(start)s, %(after_time)s)
    AND told_time < %(end)s
    AND told_time <= %(known_at)s
    AND (told_time, alarm_id, revision, amendment)
        > (%(after_time)s, %(after_alarm)s, %(after_revision)s, %(after_amendment)s)
ORDER BY told_time, alarm_id, revision, amendment
LIMIT %(limit)s;
