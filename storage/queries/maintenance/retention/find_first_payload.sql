-- The time of reception of the first message before a time whose payload is kept.
-- message_batch_with_payloads.
SELECT first_received
FROM message_batch
WHERE payloads IS NOT NULL AND first_received < %s
ORDER BY first_received
LIMIT 1;
