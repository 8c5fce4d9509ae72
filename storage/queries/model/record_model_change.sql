-- Store one entry of the model's audit.
-- No index: an append.
INSERT INTO model_change (version, kind, key, action, difference)
VALUES (%(version)s, %(kind)s, %(key)s, %(action)s, %(difference)s::jsonb);
