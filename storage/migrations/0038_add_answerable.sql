-- Digests of the occurrences that a reply to the message acknowledges (base64); empty: it takes no reply.
ALTER TABLE notification ADD COLUMN IF NOT EXISTS answerable text NOT NULL DEFAULT '';
ALTER TABLE notification_event ADD COLUMN IF NOT EXISTS answerable text NOT NULL DEFAULT '';
-- For the messages that a reply may answer.
CREATE INDEX IF NOT EXISTS notification_newest_with_reply
    ON notification (contact, channel, due_time DESC) WHERE answerable <> '';
