-- When the first message was received of which the payload is kept, before a time.
-- message_batch_with_payloads.
SELECT first_received
FROM message_batch
WHERE payloads IS NOT NULL AND first_received < %s
ORDER BY first_received
LIMIT 1;
