-- Take the next repaired windows: they are gone when the transaction ends. Another process takes others.
-- repaired_window_pkey, in its order.
DELETE FROM repaired_window
USING (
    SELECT datastream_id, size, start
    FROM repaired_window
    ORDER BY datastream_id, size, start
    LIMIT %s
    FOR UPDATE SKIP LOCKED
) AS next
WHERE repaired_window.datastream_id = next.datastream_id
    AND repaired_window.size = next.size
    AND repaired_window.start = next.start
RETURNING repaired_window.datastream_id, repaired_window.size, repaired_window.start;
