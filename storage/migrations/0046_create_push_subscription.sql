-- A browser of a contact that takes messages by web push (`twin.model.duty.PushSubscription`). Not part of a city folder:
-- people subscribe the browsers that they use. A subscription that ends is deleted: it is personal data.
CREATE TABLE IF NOT EXISTS push_subscription (
    id         text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    contact    text NOT NULL,                      -- id of the plan of then
    endpoint   text NOT NULL UNIQUE,               -- URL at the push service; a secret
    p256dh     text NOT NULL,                      -- base64url: public key of the browser
    auth       text NOT NULL,                      -- base64url: secret of the subscription
    device     text NOT NULL,                      -- what its owner calls it
    made_by    text NOT NULL,                      -- name of an API key
    made_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
