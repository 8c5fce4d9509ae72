-- The oldest readings of personal data that are not sent yet, locked; without those that another one sends.
-- audit_record_is_unsent.
SELECT
    id, time, principal, role, operation, target, status, households, contacts, trace_id, parent_span_id,
    span_id, sent_at
FROM audit_record
WHERE sent_at IS NULL AND households <> '{}'
ORDER BY id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED;
