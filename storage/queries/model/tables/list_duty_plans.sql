-- The duty plan that is not retired, if there is one.
-- duty_plan_is_known.
SELECT city_id AS city, plan, true AS active FROM duty_plan WHERE retired_at IS NULL;
