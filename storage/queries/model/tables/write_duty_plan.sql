-- Store a duty plan; the one that it replaces is retired before.
-- No index: an append.
INSERT INTO duty_plan (city_id, plan) VALUES (%(city)s, %(plan)s::jsonb);
