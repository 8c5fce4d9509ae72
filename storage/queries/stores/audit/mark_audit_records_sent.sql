-- Note that the collector has records.
-- audit_record_pkey.
UPDATE audit_record SET sent_at = %(now)s WHERE id = ANY(%(ids)s::bigint[]);
