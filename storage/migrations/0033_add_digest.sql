-- The notification that contained a message in its last attempt; empty: it was sent alone.
ALTER TABLE notification ADD COLUMN IF NOT EXISTS digest text NOT NULL DEFAULT '';
ALTER TABLE notification_event ADD COLUMN IF NOT EXISTS digest text NOT NULL DEFAULT '';
-- For the list of the messages in a digest.
CREATE INDEX IF NOT EXISTS notification_newest_of_digest
    ON notification (digest, due_time DESC, notification_id DESC) WHERE digest <> '';
