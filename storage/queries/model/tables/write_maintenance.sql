-- Store a maintenance; the one that it replaces is retired before.
-- No index: an append.
INSERT INTO maintenance (sensor_id, start, "end", note) VALUES (%(sensor)s, %(start)s, %(end)s, %(note)s);
