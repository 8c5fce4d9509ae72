-- Create or change a sensor; the interval is in microseconds.
-- sensor_pkey.
INSERT INTO sensor (id, feed, device, entity_id, interval, personal, gateway, power, register, active)
VALUES (
    %(id)s, %(feed)s, %(device)s, %(entity)s, %(interval)s * interval '1 microsecond', %(personal)s,
    %(gateway)s, %(power)s, %(register)s::jsonb, %(active)s
)
ON CONFLICT (id) DO UPDATE
SET feed = excluded.feed, device = excluded.device, entity_id = excluded.entity_id,
    interval = excluded.interval, personal = excluded.personal, gateway = excluded.gateway,
    power = excluded.power, register = excluded.register, active = excluded.active;
