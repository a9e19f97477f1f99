//! SQ: what generated SQL may be made to do.

use std::{fs, io::Write as _, process::Command};

use anyhow::Result;
use serde_json::{Value, json};
use specql_compiler::internals::sql;
use specql_runtime::testing::TestDatabase;
use specql_tests::{compiled, grammar::Grammar};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::{codes, codes_of, computed, quoted, said_of, sql_of};

async fn run(connection: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}

async fn ask(connection: &mut PgConnection, sql: &str) -> Result<Value> {
    let sql = format!("SELECT coalesce(to_jsonb(({sql})), 'null')");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?)
}

/// The whole result of an action.
async fn call(connection: &mut PgConnection, action: &str, input: Value) -> Result<Value> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{action}(NULL, NULL, $1) AS r");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(input).fetch_one(connection).await?)
}

/// What no name may be.
const NO_NAMES: &[&str] = &[
    "a\"b",
    "a; drop table x",
    "a'b",
    "a b",
    "",
    " ",
    "1st",
    "$1",
    "__proto__",
    "_x",
    "a-b",
    "a.b",
    "a$b",
    "Caf\u{e9}",
    "cafe\u{301}",
    "a\\b",
    "a/*b",
    "a--b",
    "a\nb",
    "a%I",
    "a::b",
    "pg_temp; x",
    "\u{202e}a",
    "a\u{200b}",
    "\u{ff41}",
];

/// SQ-01: identifiers from YAML [the grammar of names, always quoted, collisions after the cut].
#[test]
fn sq_01_what_is_no_name_is_refused_wherever_a_name_stands() {
    for name in NO_NAMES {
        let it = quoted(name);
        for text in [
            format!("entity: {it}\n"),
            format!("entity: A\nschema: {it}\n"),
            format!("entity: A\nfields: {{{it}: text}}\n"),
            format!("entity: A\nactions: [{{name: {it}, steps: [{{reject: no}}]}}]\n"),
            format!("entity: A\nactions: [{{name: a, wrapper: {it}, steps: [{{reject: no}}]}}]\n"),
            format!("entity: A\nactions: [{{name: a, input: {{{it}: text}}, steps: [{{reject: no}}]}}]\n"),
            format!("entity: A\nactions: [{{name: a, steps: [{{insert: A, as: {it}}}]}}]\n"),
            format!("entity: A\nactions: [{{name: a, steps: [{{insert: {it}}}]}}]\n"),
            format!("entity: A\nactions: [{{name: a, steps: [{{call_service: {{service: {it}, operation: x}}}}]}}]\n"),
            format!(
                "entity: A\nactions: [{{name: a, steps: [{{call_service: {{service: slack, operation: {it}}}}}]}}]\n"
            ),
            format!(
                "entity: A\nfields: {{x: text}}\nactions: [{{name: a, steps: [{{insert: A, values: {{{it}: x}}}}]}}]\n"
            ),
            format!("entity: A\nfields: {{x: {}}}\n", quoted(&format!("ref({name})"))),
        ] {
            assert!(codes(&text).iter().any(|code| code.as_str() != "SQ0203"), "{name:?}: {text}");
        }
        for registry in [
            format!("services: [{{name: {it}}}]\n"),
            format!("services: [{{name: crm, operations: [{{name: {it}}}]}}]\n"),
        ] {
            assert!(!codes_of(&[("registry/service_registry.yaml", &registry)]).is_empty(), "{name:?}: {registry}");
        }
    }
    for schema in ["pg_temp", "pg_catalog", "pg_toast_x", "information_schema", "app", "jobs"] {
        assert_eq!(codes(&format!("entity: A\nschema: {schema}\n")), ["SQ0137"], "{schema}");
    }
    let long = "a".repeat(64);
    assert_eq!(codes(&format!("entity: A\nfields: {{{long}: text}}\n")), ["SQ0136"]);
}

/// SQ-01, the cut at 63 bytes: two names that begin alike stay two, and two that meet are refused.
#[tokio::test]
async fn sq_01_long_names_and_keywords_are_names_of_their_own() -> Result<()> {
    let stem = "a".repeat(55);
    let upper = format!("A{}", "a".repeat(54));
    let entity = format!(
        "entity: {upper}One\nschema: sales\nfields: {{{stem}_one: {{type: text, unique: true}}, {stem}_two: {{type: text, unique: true}}, select: text, order: \"enum(a, b)\", end: integer, r: ref({upper}Two)}}\nactions:\n  - name: {stem}_one\n    input: {{select: text!, end: integer!}}\n    steps:\n      - insert: {upper}One\n        values: {{select: $input.select, end: $input.end, {stem}_one: $input.select}}\n        as: loop\n      - validate: $loop.end > 0\n        error: begin\n  - name: {stem}_two\n    steps: [{{reject: no}}]\n---\nentity: {upper}Two\nschema: sales\nfields: {{user: text}}\n"
    );
    let project = compiled::files(&[("entities/a.yaml", &entity)])?;
    let database = compiled::database(&project).await?;
    let mut connection = database.pool().acquire().await?;
    let made = call(&mut connection, &format!("{stem}_one"), json!({"select": "it's", "end": 1})).await?;
    assert_eq!((&made["status"], &made["object_data"]["select"]), (&json!("success"), &json!("it's")), "{made}");
    let tables = ask(&mut connection, "SELECT count(*) FROM pg_tables WHERE schemaname = 'sales'").await?;
    assert_eq!(tables, 2);
    let cut = ask(
        &mut connection,
        "SELECT max(length(relname)) <= 63 FROM pg_class WHERE relnamespace = 'sales'::regnamespace",
    )
    .await?;
    assert_eq!(cut, true);
    Ok(())
}

/// Texts for SQ-02 to SQ-05; `sql_hostile.rs` sends them through a whole project on a real server.
const TEXTS: &[&str] = &[
    "'",
    "''",
    "\\",
    "\\'",
    "'; DROP TABLE public.tb_a; --",
    "E'\\''",
    "%s %I %L % %%",
    "U&'\\0041'",
    "\u{202e}rtl\u{2066}",
    "line\nline",
    "$$",
    "$body$",
    "$specql$",
    "$specql_1$ $specql_2$ $specql$",
    "$specql$; DROP TABLE public.tb_a; $specql$",
    "*/ -- /*",
    "\\! id\n\\q",
    ":x :'x' :\"x\"",
    "\u{feff}",
    "{\"a\":\"'\"}",
    "\u{7f}\u{1}\u{85}\u{2028}",
];

fn texts_project(text: &str) -> String {
    let (free, quote) = (quoted(text), text.replace('\'', "''"));
    format!(
        "entity: A\ndescription: {free}\nfields: {{x: {{type: text, default: {free}, description: {free}}}, j: {{type: json, default: {{{free}: [{free}]}}}}}}\nactions:\n  - name: go\n    description: {free}\n    steps:\n      - validate: {}\n        error: refused\n        message: {free}\n      - insert: A\n        values: {{x: {}}}\n",
        quoted(&format!("'{quote}' <> 'never'")),
        computed(&format!("concat('{quote}', '')")),
    )
}

/// SQ-02, SQ-03: strings and dollar quotes [one token, whatever `standard_conforming_strings` says; the tag is not in the body].
#[tokio::test]
async fn sq_02_sq_03_texts_are_texts_under_either_reading_of_backslashes() -> Result<()> {
    let mut grammar = Grammar::start();
    let plain = grammar.statements(&sql_of(&texts_project("plain"))).map_err(anyhow::Error::msg)?;
    for text in TEXTS {
        let read = grammar.statements(&sql_of(&texts_project(text))).map_err(anyhow::Error::msg)?;
        let shapes = |of: &[specql_tests::grammar::Statement]| {
            of.iter().map(|it| (it.name.clone(), it.shape.clone())).collect::<Vec<_>>()
        };
        assert_eq!(shapes(&read), shapes(&plain), "{text:?}");
    }
    for setting in ["on", "off"] {
        for text in ["\\'; DROP TABLE public.tb_a; --", "$specql$ '' \\ %s", "a\\b'c\nd"] {
            let project = compiled::files(&[("entities/a.yaml", &texts_project(text))])?;
            let set = format!("SET standard_conforming_strings = {setting}; SET escape_string_warning = off;\n");
            let database = TestDatabase::from_sql(&format!("{set}{}", sql::schema(&project.model).render())).await?;
            let mut connection = database.pool().acquire().await?;
            run(&mut connection, &set).await?;
            let made = call(&mut connection, "go", json!({})).await?;
            assert_eq!(
                (&made["object_data"]["x"], &made["object_data"]["j"]),
                (&json!(text), &json!({text: [text]})),
                "{setting}: {made}"
            );
        }
    }
    Ok(())
}

/// SQ-04: JSON in SQL [an escaped literal; what no server can store is refused].
#[test]
fn sq_04_a_json_default_is_one_literal_or_refused() {
    let field = |json: &str| format!("entity: A\nfields: {{j: {}}}\n", quoted(&format!("json = {json}")));
    for (json, sql) in [
        ("{\"a\": \"it's\"}", "'{\"a\":\"it''s\"}'::jsonb"),
        ("{\"a\": \"\\\\\"}", "E'{\"a\":\"\\\\\\\\\"}'::jsonb"),
        ("[]", "'[]'::jsonb"),
    ] {
        assert!(sql_of(&field(json)).contains(sql), "{json}: {}", sql_of(&field(json)));
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for json in [
        "{\"a\": \"\\u0000\"}",
        "{\"\\u0000\": 1}",
        "{\"a\": \"\\ud800\"}",
        "1e400",
        "-1e400",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": {\"b\": 1, \"b\": 2}}",
        "0.12345678901234567890123",
        "[",
        "{\"a\": 1} {}",
        &deep,
    ] {
        assert!(!said_of(&field(json)).is_empty(), "{}: {}", &json[..json.len().min(40)], sql_of(&field(json)));
    }
}

/// SQ-05: comments, psql's own commands and variables, a BOM [nothing but SQL reaches psql].
#[tokio::test]
async fn sq_05_psql_finds_nothing_but_sql_in_a_generated_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let witness = folder.path().join("witness");
    let touch = format!("\\! touch {}", witness.display());
    let mut entities = Vec::new();
    let hostile = [
        &touch,
        "\\q",
        "\\echo HACKED",
        ":x :'x' :\"x\" :{?x}",
        "*/ SELECT 'HACKED'; /*",
        "\n\\quit\n",
        "-- \\g |id",
        "\u{feff}",
    ];
    for (letter, text) in ('A'..='Z').zip(hostile) {
        let (free, literal) = (quoted(text), quoted(&format!("'{}' <> 'x'", text.replace('\'', "''"))));
        entities.push(format!("entity: P{letter}\ndescription: {free}\nfields: {{x: {{type: text, default: {free}, description: {free}}}}}\nactions:\n  - name: go_{}\n    description: {free}\n    steps: [{{validate: {literal}, message: {free}}}, {{insert: P{letter}, values: {{}}}}]\n", letter.to_ascii_lowercase()));
    }
    let path = format!("entities/{touch}\n{touch}\n*/ x.yaml");
    let project = compiled::files(&[(&path, &entities.join("---\n"))])?;
    let text = sql::schema(&project.model).render();
    assert!(text.starts_with("-- @generated") && !text.contains('\u{feff}'));
    let file = folder.path().join("schema.sql");
    fs::File::create(&file)?.write_all(text.as_bytes())?;

    let database = TestDatabase::from_sql("").await?;
    // The driver's own parameters mean nothing to psql.
    let url = database.url();
    let url = url.split('?').next().unwrap_or_default();
    let output = Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "x=HACKED", "-d", url, "-f"])
        .arg(&file)
        .current_dir(folder.path())
        .output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("HACKED") && !witness.exists(), "{said}");
    let mut connection = database.pool().acquire().await?;
    for (letter, text) in ('a'..='z').zip(hostile) {
        let made = call(&mut connection, &format!("go_{letter}"), json!({})).await?;
        assert_eq!(made["object_data"]["x"], *text, "{made}");
    }
    Ok(())
}

/// SQ-06: expressions [a typed tree with known functions only].
#[test]
fn sq_06_an_expression_is_no_sql() {
    let act = |expression: &str| {
        let (it, value, set) = (quoted(expression), computed(expression), quoted(&format!("A SET x = {expression}")));
        format!(
            "entity: A\nfields: {{x: text, n: integer}}\nactions:\n  - name: go\n    steps:\n      - validate: {it}\n      - update: {set}\n      - update: A\n        set: {{x: {value}}}\n        where: {it}\n"
        )
    };
    for expression in [
        "$a.x); DROP TABLE public.tb_a; --",
        "x; DROP TABLE public.tb_a",
        "x -- comment",
        "x /* comment */",
        "pg_sleep(10)",
        "pg_read_file('/etc/passwd')",
        "dblink('host=x', 'SELECT 1')",
        "lo_import('/etc/passwd')",
        "query_to_xml('SELECT 1', true, true, '')",
        "set_config('a.b', 'c', false)",
        "current_setting('x')",
        "pg_catalog.lower(x)",
        "public.f(x)",
        "(SELECT usename FROM pg_user)",
        "x = ANY (SELECT 1)",
        "EXISTS (SELECT 1)",
        "x::regclass",
        "CAST(x AS regclass)",
        "x OPERATOR(pg_catalog.=) 'a'",
        "x ~ 'a'",
        "x @> 'a'",
        "x # 'a'",
        "$1",
        "$$a$$",
        "E'\\\\n'",
        "U&'\\\\0041'",
        "B'1'",
        "x'41'",
        "\"x\"",
        "x IS DISTINCT FROM 'a'",
        "x COLLATE \"C\"",
        "ARRAY[1]",
        "ROW(1)",
        "nextval('s')",
        "current_user",
        "CURRENT_TIMESTAMP",
        "tableoid",
        "ctid",
        "xmin",
        "tb_a.x",
        "new.x",
        "NULL; COMMIT",
        "x'",
        "'unclosed",
        "x = 'a' UNION SELECT 1",
        "txid_current()",
        "1e400",
        "version()",
    ] {
        let text = act(expression);
        let codes = codes(&text);
        assert!(
            codes.iter().any(|code| code.starts_with("SQ03") || code.starts_with("SQ02")),
            "{expression}: {codes:?}"
        );
    }
}

/// SQ-07: `search_path` [functions set their own, names have their schema, nothing is shadowed].
#[tokio::test]
async fn sq_07_nothing_of_the_callers_shadows_what_was_meant() -> Result<()> {
    let entity = "entity: Order\nschema: sales\nfields: {number: text, total: integer}\nactions:\n  - name: place_order\n    input: {number: text!, total: integer!}\n    steps:\n      - validate: length($input.number) > 0 AND lower($input.number) = 'abc'\n        error: bad\n      - insert: Order\n        values: {number: upper($input.number), total: $input.total + 1}\n        as: order\n      - call_service:\n          service: slack\n          operation: post_message\n          input: {channel: \"c\", text: {$expr: \"concat($order.number, '!')\"}}\n          on_success:\n            - update: Order SET number = lower(number)\n";
    let project = compiled::files(&[("entities/order.yaml", entity)])?;
    let database = compiled::database(&project).await?;
    let mut connection = database.pool().acquire().await?;
    let trusting = ask(
        &mut connection,
        "SELECT jsonb_agg(p.oid::regprocedure::text) FROM pg_proc AS p
        WHERE p.pronamespace IN ('app'::regnamespace, 'jobs'::regnamespace, 'sales'::regnamespace)
            AND p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'sql')
            AND NOT coalesce(array_to_string(p.proconfig, ',') LIKE '%search_path=pg_catalog, pg_temp%', false)",
    )
    .await?;
    assert_eq!(trusting, Value::Null, "they take their names from the caller");
    let definer = ask(
        &mut connection,
        "SELECT jsonb_agg(p.oid::regprocedure::text) FROM pg_proc AS p
        WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND p.prosecdef
            AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)",
    )
    .await?;
    assert_eq!(definer, Value::Null, "they run as their owner under the caller's path");
    run(
        &mut connection,
        "CREATE SCHEMA evil;
        CREATE TABLE evil.calls (what text);
        CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS 'INSERT INTO evil.calls VALUES (''lower'') RETURNING what';
        CREATE FUNCTION evil.upper(text) RETURNS text LANGUAGE sql AS 'INSERT INTO evil.calls VALUES (''upper'') RETURNING what';
        CREATE FUNCTION evil.length(text) RETURNS integer LANGUAGE sql AS 'INSERT INTO evil.calls VALUES (''length''); SELECT 0';
        CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'INSERT INTO evil.calls VALUES (''now''); SELECT NULL::timestamptz';
        CREATE FUNCTION evil.gen_random_uuid() RETURNS uuid LANGUAGE sql AS 'INSERT INTO evil.calls VALUES (''uuid''); SELECT NULL::uuid';
        CREATE FUNCTION evil.plus(integer, integer) RETURNS integer LANGUAGE sql AS 'INSERT INTO evil.calls VALUES (''plus''); SELECT 0';
        CREATE OPERATOR evil.+ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = evil.plus);
        CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS 'INSERT INTO evil.calls VALUES (''=''); SELECT true';
        CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
        CREATE DOMAIN evil.jsonb AS pg_catalog.text;
        CREATE TEMP TABLE tb_job_run (LIKE jobs.tb_job_run);
        CREATE TEMP TABLE tb_order (LIKE sales.tb_order);
        CREATE TEMP TABLE tb_callback (LIKE jobs.tb_callback);
        CREATE TEMP TABLE tb_mutation_audit_log (LIKE app.tb_mutation_audit_log);
        SET search_path = pg_temp, evil, pg_catalog",
    )
    .await?;
    let made: Value = sqlx::query_scalar("SELECT pg_catalog.to_jsonb(r) FROM app.place_order(NULL, NULL, $1) AS r")
        .bind(json!({"number": "ABC", "total": 1}))
        .fetch_one(&mut *connection)
        .await?;
    assert_eq!(made["status"], "success", "{made}");
    assert_eq!((&made["object_data"]["number"], &made["object_data"]["total"]), (&json!("ABC"), &json!(2)));
    run(&mut connection, "SET search_path = pg_catalog").await?;
    for (table, rows) in [
        ("evil.calls", 0),
        ("pg_temp.tb_job_run", 0),
        ("pg_temp.tb_order", 0),
        ("pg_temp.tb_mutation_audit_log", 0),
        ("jobs.tb_job_run", 1),
        ("sales.tb_order", 1),
        ("app.tb_mutation_audit_log", 1),
    ] {
        assert_eq!(ask(&mut connection, &format!("SELECT count(*) FROM {table}")).await?, rows, "{table}");
    }
    Ok(())
}

/// SQ-11: a second call for the same row [possible once the first is done, and never raises].
#[tokio::test]
async fn sq_11_a_second_legitimate_call_is_possible_and_never_raises() -> Result<()> {
    let entity = "entity: Order\nschema: sales\nfields: {number: text!}\nactions:\n  - name: create_order\n  - name: remind\n    steps:\n      - call_service: {service: slack, operation: post_message, input: {channel: \"c\", text: number}}\n";
    let project = compiled::files(&[("entities/order.yaml", entity)])?;
    let database = compiled::database(&project).await?;
    let mut connection = database.pool().acquire().await?;
    let order = call(&mut connection, "create_order", json!({"number": "1"})).await?;
    let remind = json!({"id": order["id"]});
    let first = call(&mut connection, "remind", remind.clone()).await?;
    let job = |of: &Value| of["extra_metadata"]["jobs"][0].clone();
    assert_eq!((&first["status"], &job(&first)["deduplicated"]), (&json!("success"), &json!(false)), "{first}");
    // While it is in flight: the same job, and the action succeeds.
    let again = call(&mut connection, "remind", remind.clone()).await?;
    assert_eq!((&again["status"], &job(&again)["deduplicated"]), (&json!("success"), &json!(true)), "{again}");
    assert_eq!(job(&again)["job_id"], job(&first)["job_id"]);
    // Once it is done: a job of its own.
    let done = format!(
        "SELECT mark_job_started({id}::uuid), complete_job_successfully({id}::uuid, '{{}}')",
        id = format!("'{}'", job(&first)["job_id"].as_str().unwrap())
    );
    run(&mut connection, &done.replace("mark_job", "jobs.mark_job").replace("complete_job", "jobs.complete_job"))
        .await?;
    let second = call(&mut connection, "remind", remind).await?;
    assert_eq!((&second["status"], &job(&second)["deduplicated"]), (&json!("success"), &json!(false)), "{second}");
    assert_ne!(job(&second)["job_id"], job(&first)["job_id"]);
    assert_eq!(ask(&mut connection, "SELECT count(*) FROM jobs.tb_job_run").await?, 2);
    Ok(())
}
