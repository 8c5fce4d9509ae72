-- Take the next repaired windows: they are gone when the transaction ends. Another process takes others.
-- repaired_window_pkey, in its order.
--
-- None while the database has a newer model: what is sent with them is judged by its rules.
DELETE FROM repaired_window
USING (
    SELECT datastream_id, size, start
    FROM repaired_window
    WHERE NOT EXISTS (SELECT FROM city WHERE model_version > %(model_version)s)
    ORDER BY datastream_id, size, start
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) AS next
WHERE repaired_window.datastream_id = next.datastream_id
    AND repaired_window.size = next.size
    AND repaired_window.start = next.start
RETURNING repaired_window.datastream_id, repaired_window.size, repaired_window.start;
