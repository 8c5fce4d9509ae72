-- Records of the audit log before a position, newest first; filtered where parameters are given.
-- audit_record_newest.
SELECT
    id, time, principal, role, operation, target, status, households, contacts, trace_id, parent_span_id,
    span_id, sent_at
FROM audit_record
WHERE (%(principals)s::text[] IS NULL OR principal = ANY(%(principals)s))
    AND (%(operations)s::text[] IS NULL OR operation = ANY(%(operations)s))
    AND (%(households)s::text[] IS NULL OR households && %(households)s)
    AND (%(start)s::timestamptz IS NULL OR time >= %(start)s)
    AND (%(end)s::timestamptz IS NULL OR time < %(end)s)
    AND (
        %(before_time)s::timestamptz IS NULL
        OR (time, id) < (%(before_time)s::timestamptz, %(before_id)s::bigint)
    )
ORDER BY time DESC, id DESC
LIMIT %(limit)s;
