-- Store a calibration; the one that it replaces is retired before.
-- No index: an append.
INSERT INTO calibration (sensor_id, property, start, "end", gain, "offset", note)
VALUES (%(sensor)s, %(property)s, %(start)s, %(end)s, %(gain)s, %(offset)s, %(note)s);
