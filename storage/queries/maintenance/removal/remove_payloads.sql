-- Remove the payloads of messages received in a half-open range; the headers stay.
-- message_batch_with_payloads, in the chunks of the range.
UPDATE message_batch
SET payloads = NULL
WHERE payloads IS NOT NULL AND first_received >= %(start)s AND first_received < %(end)s;
