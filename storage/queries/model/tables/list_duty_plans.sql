-- The duty plan that is not retired; no row where there is none.
-- duty_plan_is_known.
SELECT city_id AS city, plan, true AS active FROM duty_plan WHERE retired_at IS NULL;
