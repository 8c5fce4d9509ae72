-- Store the subscription of a browser; one with the same endpoint is replaced, and keeps its id.
-- push_subscription_endpoint_key.
INSERT INTO push_subscription (contact, endpoint, p256dh, auth, device, made_by, made_at, expires_at)
VALUES (
    %(contact)s, %(endpoint)s, %(p256dh)s, %(auth)s, %(device)s, %(made_by)s, %(made_at)s, %(expires_at)s
)
ON CONFLICT (endpoint) DO UPDATE SET
    contact = EXCLUDED.contact, p256dh = EXCLUDED.p256dh, auth = EXCLUDED.auth, device = EXCLUDED.device,
    made_by = EXCLUDED.made_by, made_at = EXCLUDED.made_at, expires_at = EXCLUDED.expires_at
RETURNING id, contact, endpoint, p256dh, auth, device, made_by, made_at, expires_at;
