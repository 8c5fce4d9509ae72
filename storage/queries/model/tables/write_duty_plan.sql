-- Write a duty plan down; one that it takes the place of is retired before.
-- No index: an append.
INSERT INTO duty_plan (city_id, plan) VALUES (%(city)s, %(plan)s::jsonb);
