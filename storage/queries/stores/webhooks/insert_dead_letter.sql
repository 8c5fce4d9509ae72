-- Store a dead letter, if its webhook still exists.
-- webhook_pkey.
INSERT INTO webhook_dead_letter (webhook_id, died_at, tries, error, cursor, events)
SELECT id, %(died_at)s, %(tries)s, %(error)s, %(cursor)s, %(events)s FROM webhook WHERE id = %(id)s;
