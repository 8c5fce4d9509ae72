-- Transitions of alarms in a time range, in log order, limited; without those raised while shelved or suppressed.
-- alarm_event_by_time.
SELECT alarm_id, kind, time, told_time, rule, severity, occurrence
FROM alarm_event
WHERE told_time >= %(start)s AND told_time < %(end)s
    AND kind IN ('raised', 'worsened', 'returned', 'retracted', 'acknowledged')
    AND (state = 'unacknowledged' OR kind NOT IN ('raised', 'worsened'))
ORDER BY told_time, alarm_id, revision
LIMIT %(limit)s;
