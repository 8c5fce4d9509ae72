-- Delete records of the audit log before a time, a limited number; also of readings that were never sent.
-- audit_record_newest.
DELETE FROM audit_record
WHERE id IN (
    SELECT id
    FROM audit_record
    WHERE time < %(end)s
    ORDER BY time, id
    LIMIT %(limit)s
);
