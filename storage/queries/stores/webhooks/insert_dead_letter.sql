-- Keep what could not be delivered, if its webhook is still there.
-- webhook_pkey.
INSERT INTO webhook_dead_letter (webhook_id, died_at, tries, error, cursor, events)
SELECT id, %(died_at)s, %(tries)s, %(error)s, %(cursor)s, %(events)s FROM webhook WHERE id = %(id)s;
