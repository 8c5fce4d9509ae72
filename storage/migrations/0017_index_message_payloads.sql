-- Which messages still have their payloads, oldest first: retention forgets payloads long before headers.
CREATE INDEX IF NOT EXISTS message_batch_with_payloads ON message_batch (first_received)
    WHERE payloads IS NOT NULL;
