-- Retire a maintenance; its row stays, with the time until which it was in force.
-- maintenance_is_known.
UPDATE maintenance SET retired_at = now()
WHERE sensor_id = %(sensor)s AND start = %(start)s AND retired_at IS NULL;
