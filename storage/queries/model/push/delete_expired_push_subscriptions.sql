-- Delete the subscriptions of browsers that have expired at a time.
-- No index: a few rows for each contact.
DELETE FROM push_subscription WHERE expires_at <= %(now)s;
