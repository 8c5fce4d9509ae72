-- Interruptions of the session of ingest at the MQTT broker, newest first.
-- quarantine_newest_of_reason, for each of the two reasons.
SELECT reason, received_time, detail
FROM quarantine
WHERE reason IN ('session-taken-over', 'session-lost') AND session = ''
ORDER BY received_time DESC, id DESC
LIMIT %s;
