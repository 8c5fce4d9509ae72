-- Create or change a feed of the city.
-- feed_pkey.
INSERT INTO feed (id, filter, decoder, device_level, active)
VALUES (%(id)s, %(filter)s, %(decoder)s, %(device_level)s, %(active)s)
ON CONFLICT (id) DO UPDATE
SET filter = excluded.filter, decoder = excluded.decoder, device_level = excluded.device_level,
    active = excluded.active;
