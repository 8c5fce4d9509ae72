-- Retire the duty plan; its row stays, with the time until which it was in force.
-- duty_plan_is_known.
UPDATE duty_plan SET retired_at = now() WHERE city_id = %(city)s AND retired_at IS NULL;
