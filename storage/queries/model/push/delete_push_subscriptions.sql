-- Delete subscriptions of browsers by their ids; returns those that there were.
-- push_subscription_pkey.
DELETE FROM push_subscription WHERE id = ANY(%(ids)s)
RETURNING id, contact, endpoint, p256dh, auth, device, made_by, made_at, expires_at;
