-- Retire a calibration; its row stays, with the time until which it was in force.
-- calibration_is_known.
UPDATE calibration SET retired_at = now()
WHERE sensor_id = %(sensor)s AND property = %(property)s AND start = %(start)s AND retired_at IS NULL;
