-- Add a record to the audit log.
-- No index.
INSERT INTO audit_record (
    time, principal, role, operation, target, status, households, contacts, trace_id, parent_span_id, span_id
)
VALUES (
    %(time)s, %(principal)s, %(role)s, %(operation)s, %(target)s, %(status)s, %(households)s, %(contacts)s,
    %(trace_id)s, %(parent_span_id)s, %(span_id)s
);
