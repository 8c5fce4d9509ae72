-- Request to recompute what a sensor measured in a time range.
-- No index: an append.
INSERT INTO recompute_request (sensor_id, property, start, "end", reason)
VALUES (%(sensor)s, %(property)s, %(start)s, %(end)s, %(reason)s);
