-- Transitions of alarms in a time range, in log order, limited.
-- alarm_event_by_time.
--
-- Without those raised while shelved or suppressed, and without those that were added to the past: nobody got them.
SELECT alarm_id, kind, time, told_time, rule, severity, occurrence
FROM alarm_event
WHERE told_time >= %(start)s AND told_time < %(end)s
    AND amendment = 0
    AND kind IN ('raised', 'worsened', 'returned', 'retracted', 'acknowledged')
    AND (state = 'unacknowledged' OR kind NOT IN ('raised', 'worsened'))
ORDER BY told_time, alarm_id, revision
LIMIT %(limit)s;
