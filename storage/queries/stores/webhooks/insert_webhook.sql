-- Store a webhook, unless there are too many; returns a row if it was stored.
-- No index: the table is small.
INSERT INTO webhook (id, url, filter, mode, format, handshake, secret, created_at, created_by, cursor)
SELECT %(id)s, %(url)s, %(filter)s, %(mode)s, %(format)s, %(handshake)s, %(secret)s, %(created_at)s, %(created_by)s,
    %(cursor)s
WHERE (SELECT count(*) FROM webhook) < %(webhooks_max)s
RETURNING id;
