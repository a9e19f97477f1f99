-- What a database holds, one line an object, so that two databases can be compared: all of SpecQL's and of an application's own
-- schemas. The order of columns and of rights is no difference, nor whether default rights are written down,
-- nor is sqlx's own table.
WITH schemas AS (
    SELECT n.oid, quote_ident(n.nspname) AS name, n.nspname
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
),
relations AS (
    SELECT c.*, s.name || '.' || quote_ident(c.relname) AS name
    FROM pg_catalog.pg_class AS c
    JOIN schemas AS s ON s.oid = c.relnamespace
    WHERE c.relname NOT LIKE '\_sqlx\_migrations%'
)
SELECT object, definition FROM (
    SELECT 'schema ' || s.name AS object,
        concat_ws(' ',
            (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS acl), obj_description(n.oid, 'pg_namespace')) AS definition
    FROM schemas AS s
    JOIN pg_catalog.pg_namespace AS n ON n.oid = s.oid
    UNION ALL
    SELECT 'relation ' || r.name,
        concat_ws(' ', r.relkind, r.reloptions::text,
            (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(coalesce(r.relacl, acldefault('r', r.relowner))) AS acl), r.relrowsecurity, r.relforcerowsecurity,
            pg_get_partkeydef(r.oid), pg_get_expr(r.relpartbound, r.oid), obj_description(r.oid, 'pg_class'),
            CASE WHEN r.relkind = 'v' THEN pg_get_viewdef(r.oid) END)
    FROM relations AS r
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c')
    UNION ALL
    SELECT 'column ' || r.name || '.' || quote_ident(a.attname),
        concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
            pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
            (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(a.attacl) AS acl), col_description(r.oid, a.attnum))
    FROM relations AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c')
    UNION ALL
    SELECT 'constraint ' || quote_ident(k.conname) || ' ON ' || r.name,
        concat_ws(' ', pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'))
    FROM relations AS r
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid
    -- PostgreSQL 18 has NOT NULL here too: it is the column's.
    WHERE k.contype <> 'n'
    UNION ALL
    SELECT 'index ' || r.name,
        concat_ws(' ', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN 'INVALID' END)
    FROM relations AS r
    JOIN pg_catalog.pg_index AS i ON i.indexrelid = r.oid
    UNION ALL
    SELECT 'sequence ' || r.name,
        concat_ws(' ', format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle,
            d.refobjid::regclass, d.refobjsubid <> 0)
    FROM relations AS r
    JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = r.oid
    LEFT JOIN pg_catalog.pg_depend AS d ON d.objid = r.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    UNION ALL
    SELECT 'function ' || s.name || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
        concat_ws(' ', pg_get_functiondef(p.oid),
            (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl), obj_description(p.oid, 'pg_proc'))
    FROM schemas AS s
    JOIN pg_catalog.pg_proc AS p ON p.pronamespace = s.oid
    WHERE p.prokind IN ('f', 'p')
        -- Not those of extensions.
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'type ' || s.name || '.' || quote_ident(t.typname),
        concat_ws(' ', t.typtype,
            (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(coalesce(t.typacl, acldefault('T', t.typowner))) AS acl), obj_description(t.oid, 'pg_type'))
    FROM schemas AS s
    JOIN pg_catalog.pg_type AS t ON t.typnamespace = s.oid
    WHERE t.typtype IN ('e', 'd') OR (t.typtype = 'c' AND EXISTS (
        SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    UNION ALL
    SELECT 'trigger ' || quote_ident(t.tgname) || ' ON ' || r.name, pg_get_triggerdef(t.oid)
    FROM relations AS r
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 'policy ' || quote_ident(p.polname) || ' ON ' || r.name,
        concat_ws(' ', p.polcmd, p.polpermissive, pg_get_expr(p.polqual, r.oid), pg_get_expr(p.polwithcheck, r.oid),
            (SELECT string_agg(coalesce(o.rolname, 'public'), ', ' ORDER BY o.rolname)
             FROM unnest(p.polroles) AS role (oid) LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = role.oid))
    FROM relations AS r
    JOIN pg_catalog.pg_policy AS p ON p.polrelid = r.oid
) AS everything
ORDER BY object
