-- Ask that what a sensor measured in a time is computed again from raw.
-- No index: an append.
INSERT INTO recompute_request (sensor_id, property, start, "end")
VALUES (%(sensor)s, %(property)s, %(start)s, %(end)s);
