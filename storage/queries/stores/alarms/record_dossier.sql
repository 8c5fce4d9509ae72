-- Register a dossier that was made.
-- No index: an append.
INSERT INTO dossier_issue (issued_to, alarm_id, occurrence, known_at, sha256)
VALUES (coalesce(%(issued_to)s, session_user), %(alarm)s, %(occurrence)s, %(known_at)s, %(sha256)s);
