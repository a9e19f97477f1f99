-- object: view jobs.v_not_ready
-- drop: DROP VIEW jobs.v_not_ready
-- What no live worker serves though some know how: each lacks something that it needs, mostly a credential.
CREATE VIEW jobs.v_not_ready WITH (security_invoker = true) AS
SELECT
    o.code AS operation_code,
    o.service_name,
    o.operation,
    string_agg(DISTINCT lacking.reason, '; ') AS reason,
    count(*) AS workers
FROM jobs.tb_worker AS w
CROSS JOIN LATERAL jsonb_each_text(
    CASE WHEN jsonb_typeof(w.capabilities -> 'not_ready') = 'object' THEN w.capabilities -> 'not_ready' END)
    AS lacking (name, reason)
JOIN jobs.tb_operation AS o ON o.service_name || '.' || o.operation = lacking.name
WHERE w.heartbeat_at > now() - interval '10 seconds'
    AND NOT EXISTS (
        SELECT FROM jobs.tb_worker AS other
        WHERE other.heartbeat_at > now() - interval '10 seconds' 
            AND (other.capabilities -> 'operations' ? lacking.name OR o.code = ANY (other.operations)))
GROUP BY o.code, o.service_name, o.operation;
COMMENT ON VIEW jobs.v_not_ready IS
    'Operations whose jobs wait because every live worker that knows them lacks something, and what.';
