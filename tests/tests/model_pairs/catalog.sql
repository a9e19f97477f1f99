-- Everything that a project's database consists of, as (kind, name, definition). The order of columns is left out, and so are
-- the names that PostgreSQL 18 gives to NOT NULL.
WITH s AS (
    SELECT n.oid, n.nspname
    FROM pg_namespace AS n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
r AS (
    SELECT c.*, c.oid::regclass::text AS shown
    FROM pg_class AS c
    JOIN s ON s.oid = c.relnamespace
)
SELECT 'schema' AS kind, n.nspname::text AS name, concat_ws(' | ',
    (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a),
    obj_description(n.oid, 'pg_namespace')) AS definition
FROM pg_namespace AS n JOIN s USING (oid)
UNION ALL
SELECT 'relation', r.shown, concat_ws(' | ', r.relkind, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity,
    r.reloptions::text, pg_get_partkeydef(r.oid), pg_get_expr(r.relpartbound, r.oid),
    (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(r.relacl, acldefault('r', r.relowner))) AS a), obj_description(r.oid, 'pg_class'))
FROM r WHERE r.relkind IN ('r', 'p', 'v', 'm', 'S')
UNION ALL
SELECT 'column', r.shown || '.' || quote_ident(a.attname), concat_ws(' | ', format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN 'NOT NULL' END, pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity, ''),
    nullif(a.attgenerated, ''), pg_get_serial_sequence(r.shown, a.attname), a.attacl::text,
    col_description(r.oid, a.attnum),
    -- An input type is made in one order, which a record's text shows.
    CASE WHEN r.relkind = 'c' THEN a.attnum END)
FROM r
JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'v', 'c')
UNION ALL
SELECT 'sequence', r.shown, concat_ws(' | ', format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmax, q.seqmin,
    q.seqcache, q.seqcycle)
FROM r JOIN pg_sequence AS q ON q.seqrelid = r.oid
UNION ALL
SELECT 'constraint', concat(r.shown, '.', CASE WHEN k.contype <> 'n' THEN quote_ident(k.conname) ELSE 'NOT NULL ' || k.conkey::text END),
    concat_ws(' | ', CASE WHEN k.contype <> 'n' THEN pg_get_constraintdef(k.oid) END, CASE WHEN NOT k.convalidated THEN 'NOT VALID' END,
    obj_description(k.oid, 'pg_constraint'))
FROM r JOIN pg_constraint AS k ON k.conrelid = r.oid
WHERE k.contype <> 'n' OR NOT k.convalidated
UNION ALL
SELECT 'index', i.indexrelid::regclass::text, concat_ws(' | ', pg_get_indexdef(i.indexrelid),
    CASE WHEN NOT i.indisvalid THEN 'INVALID' END, obj_description(i.indexrelid, 'pg_class'))
FROM r JOIN pg_index AS i ON i.indrelid = r.oid
UNION ALL
SELECT 'view', r.shown, pg_get_viewdef(r.oid) FROM r WHERE r.relkind IN ('v', 'm')
UNION ALL
SELECT 'trigger', r.shown || '.' || quote_ident(t.tgname), concat_ws(' | ', pg_get_triggerdef(t.oid), t.tgenabled)
FROM r JOIN pg_trigger AS t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL
SELECT 'policy', r.shown || '.' || quote_ident(p.polname), concat_ws(' | ', p.polcmd, p.polpermissive,
    p.polroles::regrole[]::text, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM r JOIN pg_policy AS p ON p.polrelid = r.oid
UNION ALL
SELECT 'function', p.oid::regprocedure::text, concat_ws(' | ',
    -- SpecQL's own are many and long.
    CASE WHEN s.nspname = 'jobs' THEN md5(pg_get_functiondef(p.oid)) ELSE pg_get_functiondef(p.oid) END,
    (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) AS a), obj_description(p.oid, 'pg_proc'))
FROM pg_proc AS p JOIN s ON s.oid = p.pronamespace
WHERE p.prokind = 'f'
UNION ALL
SELECT 'type', t.oid::regtype::text, concat_ws(' | ', t.typtype, obj_description(t.oid, 'pg_type'),
    (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(t.typacl, acldefault('T', t.typowner))) AS a))
FROM pg_type AS t
JOIN s ON s.oid = t.typnamespace
LEFT JOIN pg_class AS c ON c.oid = t.typrelid
WHERE t.typtype IN ('d', 'e', 'r') OR t.typtype = 'c' AND c.relkind = 'c'
