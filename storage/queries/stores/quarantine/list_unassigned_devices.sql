-- Devices without a sensor, the one that sent last first, with their newest messages, but no long payloads.
-- quarantine_newest_of_reason, and quarantine_newest_of_device for the payloads of each.
SELECT unknown.feed, unknown.device, unknown.count, unknown.first_received, unknown.last_received,
    newest.ids, newest.topics, newest.times, newest.sizes, newest.payloads
FROM (
    SELECT feed, device, count(*) AS count, min(received_time) AS first_received,
        max(received_time) AS last_received
    FROM quarantine
    WHERE reason = %(reason)s AND resolved_at IS NULL AND device <> ''
    GROUP BY feed, device
    ORDER BY last_received DESC, feed, device
    LIMIT %(limit)s
) AS unknown
CROSS JOIN LATERAL (
    SELECT array_agg(id ORDER BY received_time DESC, id DESC) AS ids,
        array_agg(left(topic, %(topic_characters)s) ORDER BY received_time DESC, id DESC) AS topics,
        array_agg(received_time ORDER BY received_time DESC, id DESC) AS times,
        array_agg(payload_bytes ORDER BY received_time DESC, id DESC) AS sizes,
        array_agg(
            CASE WHEN octet_length(payload) <= %(payload_bytes)s THEN payload END ORDER BY received_time DESC, id DESC
        ) AS payloads
    FROM (
        SELECT id, topic, received_time, payload, payload_bytes
        FROM quarantine
        WHERE device = unknown.device AND device <> '' AND feed = unknown.feed
            AND reason = %(reason)s AND resolved_at IS NULL
        ORDER BY received_time DESC, id DESC
        LIMIT %(payloads)s
    ) AS sent
) AS newest
ORDER BY unknown.last_received DESC, unknown.feed, unknown.device;
