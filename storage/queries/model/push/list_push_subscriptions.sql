-- The subscriptions of browsers that have not expired at a time, in the order of their creation.
-- No index: a few rows for each contact.
SELECT id, contact, endpoint, p256dh, auth, device, made_by, made_at, expires_at
FROM push_subscription WHERE expires_at > %(now)s ORDER BY made_at, id;
