-- Retire maintenance; its row stays, with the time until when it was taken for right.
-- maintenance_is_known.
UPDATE maintenance SET retired_at = now()
WHERE sensor_id = %(sensor)s AND start = %(start)s AND retired_at IS NULL;
