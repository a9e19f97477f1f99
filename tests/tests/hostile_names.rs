//! What the compiler accepts, rustc and PostgreSQL accept: projects whose names are words of Rust, SQL, PL/pgSQL and
//! TypeScript, in every place where a name may stand.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use specql_compiler::{
    Compilation, Sources, compile,
    internals::{
        rust::{ProjectParts, emit},
        sql,
    },
};
use specql_tests::{app::App, compiled, migrations::file, plpgsql_check, random::Random};

/// Projects a run.
const PROJECTS: usize = 100;

/// Names of fields, inputs, variables, actions, operations and services.
const NAMES: &[&str] = &[
    // Rust.
    "as",
    "async",
    "await",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "dyn",
    "enum",
    "extern",
    "false",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "unsafe",
    "use",
    "where",
    "while",
    "yield",
    "std",
    "core",
    "serde",
    "str",
    "bool",
    "i32",
    "u8",
    "usize",
    "builder",
    "build",
    "new",
    "default",
    "clone",
    "send",
    "into",
    "from",
    "fmt",
    "eq",
    "hash",
    "drop",
    "state",
    "maybe_note",
    "note",
    "specql_runtime",
    "value",
    "values",
    "entities",
    "services",
    "actions",
    "enqueue",
    "project",
    "client",
    "ok",
    "err",
    "some",
    "none",
    "vec",
    "string",
    "option",
    "result",
    "many",
    "tenant",
    "outcome",
    "queued",
    "row",
    "rows",
    // SQL.
    "all",
    "analyse",
    "and",
    "any",
    "array",
    "asc",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_user",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "fetch",
    "foreign",
    "freeze",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "initially",
    "inner",
    "intersect",
    "interval",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "over",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "window",
    "with",
    "timestamp",
    "time",
    "date",
    "text",
    "integer",
    "numeric",
    "json",
    "coalesce",
    "greatest",
    "nullif",
    "position",
    "substring",
    "trim",
    "extract",
    "values_of",
    "xmin",
    "ctid",
    "oid",
    "tableoid",
    // PL/pgSQL, and what the emitted functions call their own.
    "begin",
    "declare",
    "exit",
    "perform",
    "raise",
    "exception",
    "found",
    "sqlstate",
    "sqlerrm",
    "get",
    "strict",
    "foreach",
    "query",
    "elsif",
    "old",
    "tg_op",
    "t",
    "k",
    "f",
    "c",
    "input",
    "job",
    "output",
    "error",
    "auth_tenant_id",
    "auth_user_id",
    "created",
    "v_order",
    "app",
    "jobs",
    "public",
    "pg_catalog",
    "data",
    "status",
    "message",
    "id_of",
    "pk",
    "fk_note",
    // TypeScript.
    "class",
    "function",
    "export",
    "import",
    "var",
    "interface",
    "constructor",
    "prototype",
    "number",
    "any_of",
    "undefined",
    "arguments",
    "eval",
    "delete",
    "typeof",
    "instanceof",
    "void",
    "readonly",
    "namespace",
    "never",
    "unknown",
    "keyof",
];

/// Names of entities.
const ENTITIES: &[&str] = &[
    "Option",
    "Result",
    "String",
    "Vec",
    "Box",
    "Ok",
    "Err",
    "Some",
    "None",
    "Self",
    "Default",
    "Clone",
    "Iterator",
    "Into",
    "From",
    "Send",
    "Sync",
    "Copy",
    "Debug",
    "Display",
    "Json",
    "Uuid",
    "Project",
    "Database",
    "Job",
    "Mutation",
    "Entities",
    "Services",
    "Actions",
    "Enqueue",
    "Order",
    "User",
    "Table",
    "Select",
    "Group",
    "Type",
    "Match",
    "Async",
    "Crate",
    "Super",
    "Class",
    "Function",
    "Object",
    "Array",
    "Promise",
    "Date",
    "Symbol",
    "Value",
    "Error",
    "Input",
    "Output",
    "Tenant",
    "Row",
    "Builder",
    "Cow",
    "Primary",
    "Check",
    "End",
    "Begin",
    "Declare",
    "Jobs",
    "App",
    "Public",
    "Decimal",
    "Timestamp",
    "Serialize",
    "Operation",
];

/// Members of enums: any text.
const MEMBERS: &[&str] = &[
    "ok", "err", "some", "none", "self", "Self", "default", "a-b", "a_b", "A b", "1st", "2", "null", "true", "it's",
    "class", "type", "crate", "ö", "as str", "from_str", "", "error", "output", "unknown",
];

const SCHEMAS: &[&str] = &["sales", "select", "user", "public", "order", "type", "mod", "class", "table"];

const TYPES: &[&str] = &[
    "text",
    "text!",
    "integer",
    "integer! = 1",
    "bigint",
    "boolean",
    "timestamp",
    "date",
    "money",
    "email",
    "json",
    "list(text)",
    "decimal",
    "uuid",
    "duration",
    "SimpleAddress",
    "float",
];

struct Names {
    random: Random,
}

impl Names {
    /// Some different ones of these.
    fn some(&mut self, of: &[&'static str], count: usize) -> Vec<&'static str> {
        let mut chosen: Vec<&'static str> = Vec::new();
        while chosen.len() < count {
            let next = *self.random.pick(of);
            if !chosen.contains(&next) {
                chosen.push(next);
            }
        }
        chosen
    }

    fn members(&mut self) -> String {
        let members: Vec<String> =
            self.some(MEMBERS, 3).iter().map(|member| format!("'{}'", member.replace('\'', "''"))).collect();
        format!("\"enum({})\"", members.join(", "))
    }

    /// The files of a project, which may be refused.
    fn project(&mut self) -> Vec<(String, String)> {
        let calls = self.random.chance(35);
        let (service, operation) = (self.some(NAMES, 1)[0], self.some(NAMES, 1)[0]);
        let inputs = self.some(NAMES, 3);
        let entities = self.some(ENTITIES, 3);
        let mut text = String::new();
        for (index, entity) in entities.iter().enumerate() {
            let schema = *self.random.pick(SCHEMAS);
            let fields = self.some(NAMES, 6);
            text += &format!("---\nentity: {entity}\nschema: {schema}\nfields:\n  {}: text!\n", fields[0]);
            for field in &fields[1..4] {
                text += &format!("  {field}: {}\n", self.random.pick(TYPES));
            }
            text +=
                &format!("  {}: {}\n  {}: ref({})\n", fields[4], self.members(), fields[5], entities[(index + 1) % 3]);
            let snake = specql_compiler::internals::model::names::snake(entity);
            text +=
                &format!("actions:\n  - name: create_{snake}\n  - name: update_{snake}\n  - name: delete_{snake}\n");
            let (action, bound, input) = (self.some(NAMES, 1)[0], self.some(NAMES, 3), self.some(NAMES, 2));
            text += &format!(
                "  - name: {action}_{index}\n    input: {{{}: text!, {}: list(text)}}\n    steps:\n      - insert: {entity}\n        \
                 values: {{{}: \"{{$input.{}}}!\"}}\n        as: {}\n      - find: {entity} WHERE {} = $input.{}\n        as: {}\n        \
                 optional: true\n      - foreach: {} in $input.{}\n        do:\n          - update: {entity} SET {} = ${} WHERE id = ${}.id\n",
                input[0],
                input[1],
                fields[0],
                input[0],
                bound[0],
                fields[0],
                input[0],
                bound[1],
                bound[2],
                input[1],
                fields[0],
                bound[2],
                bound[0],
            );
            if calls {
                text += &format!(
                    "      - call_service: {{service: {service}, operation: {operation}, input: {{{}: ${}.{}}}, on_success: [{{update: \
                     \"{entity} SET {} = $output.{}\"}}], on_failure: [{{update: \"{entity} SET {} = $error.message\"}}]}}\n",
                    inputs[0], bound[0], fields[0], fields[0], inputs[1], fields[0],
                );
            }
        }
        let mut files = vec![("entities/all.yaml".to_owned(), text)];
        if calls {
            files.push((
                "registry/service_registry.yaml".to_owned(),
                format!(
                    "services:\n  - name: {service}\n    execution_type: http\n    runner_config: {{base_url: \"https://a.example.eu\"}}\n    \
                     security_policy: {{allowed_hosts: [a.example.eu]}}\n    operations:\n      - name: {operation}\n        input_schema: {{{}: text!, \
                     {}: {}}}\n        output_schema: {{{}: text!, {}: integer}}\n        method: POST\n        path: /a\n",
                    inputs[0], inputs[2], self.members(), inputs[1], inputs[0],
                ),
            ));
        }
        files
    }
}

/// Projects that the compiler accepts, the same ones in every run.
fn projects() -> Vec<(Vec<(String, String)>, Compilation)> {
    let mut names = Names { random: Random::new(12) };
    let mut accepted = Vec::new();
    let mut tried = 0;
    while accepted.len() < PROJECTS {
        tried += 1;
        assert!(tried < 40 * PROJECTS, "of {tried} projects {} were accepted", accepted.len());
        let files = names.project();
        let compilation = compile(&Sources::new(files.iter().map(|(path, text)| file(path, text)).collect()));
        if !compilation.has_errors() {
            accepted.push((files, compilation));
        }
    }
    accepted
}

#[test]
fn rustc_accepts_what_the_compiler_accepts() {
    let app = App::new();
    app.write(
        "Cargo.toml",
        "[package]\nname = \"hostile-names\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nspecql-runtime = \"0.1.0\"\n",
    );
    app.use_checkout();
    let mut modules = "#![allow(dead_code)]\n".to_owned();
    for (index, (_, compilation)) in projects().iter().enumerate() {
        let parts = ProjectParts {
            name: format!("p{index}"),
            migrations: Vec::new(),
            functions: sql::function::declared(&compilation.model),
        };
        app.write(&format!("src/p{index}.rs"), &emit(&compilation.model, &parts));
        modules += &format!("pub mod p{index};\n");
    }
    app.write("src/lib.rs", &modules);
    let output = app.cargo(&["check", "--quiet", "--offline"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", said.chars().take(6_000).collect::<String>());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_and_plpgsql_check_accept_what_the_compiler_accepts() {
    let mut remarks = Vec::new();
    for (files, compilation) in projects() {
        let shown = || files.iter().map(|(path, text)| format!("# {path}\n{text}")).collect::<String>();
        let database = compiled::database(&compilation).await.unwrap_or_else(|error| panic!("{error:#}\n{}", shown()));
        let report = plpgsql_check::check(&database).await.unwrap();
        if !report.remarks.is_empty() {
            remarks.push(format!("{}\n{}", report.remarks.join("\n"), shown()));
        }
    }
    assert!(remarks.is_empty(), "{} projects; the first:\n{}", remarks.len(), remarks[0]);
}
