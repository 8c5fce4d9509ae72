-- The dossiers that were made of an alarm, newest first.
-- dossier_issue_by_alarm.
SELECT issued_at, issued_to, occurrence, known_at, sha256
FROM dossier_issue
WHERE alarm_id = %(alarm)s
ORDER BY id DESC
LIMIT %(limit)s;
