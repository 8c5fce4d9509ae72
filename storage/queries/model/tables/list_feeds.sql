-- Every feed that the city adds, active or not, by id.
-- feed_pkey gives the order; reads the whole table.
SELECT id, filter, decoder, device_level, active FROM feed ORDER BY id;
