-- Mark requests for a replay as sent.
-- quarantine_pkey.
UPDATE quarantine SET replay_sent_at = now() WHERE id = ANY(%s::text[]);
