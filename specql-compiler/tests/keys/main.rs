//! No key is without effect: for each key of the compiler's tables there are two projects that differ in that key alone, and
//! in the database, the Rust, the registry or the settings that come of them; or the key is refused, or warned about.
//!
//! The keys are those of the tables, so a new one fails this test until it has a case in `CASES`.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

mod cases;

use std::collections::BTreeSet;

use cases::CASES;
use specql_compiler::{
    SourceFile, SourceKind, Sources, compile,
    internals::{
        keys::{Standing, Table},
        reference::formats::{FORMATS, tables},
        rust::{self, ProjectParts},
        source::settings,
        sql,
    },
    render,
};

/// A mapping: the project around it, with `@` where its keys stand, and the keys that it needs.
struct Place {
    /// The table's name for it.
    what: &'static str,
    path: &'static str,
    project: &'static str,
    needs: &'static str,
}

const fn place(what: &'static str, path: &'static str, project: &'static str, needs: &'static str) -> Place {
    Place { what, path, project, needs }
}

const ENTITY: &str = "entities/order.yaml";
const REGISTRY: &str = "registry/service_registry.yaml";

/// An action of an entity; `@` is a step.
const STEP: &str = "\
entity: Order
schema: sales
fields: {total: integer!, note: text, other: text}
actions:
  - name: act
    steps:
      - {@}
";

const CALL: &str = "\
entity: Order
schema: sales
fields: {total: integer!, note: text, other: text}
actions:
  - name: act
    steps:
      - call_service: {@}
";

const OPERATION: &str = "\
services:
  - name: crm
    runner_config: {base_url: 'https://crm.example.eu', targets: {a: {url: 'https://a.example.eu', secret: {env: S}}}, signing_secret: {env: S}}
    security_policy: {allow_any_public_host: true}
    operations: [{name: sync, @}]
";

const CONFIG: &str = "\
services:
  - name: crm
    runner_config: {@}
    operations: [{name: sync, path: /sync}]
";

const AUTH: &str = "\
services:
  - name: crm
    runner_config: {base_url: 'https://crm.example.eu', auth: {@}}
";

const STEP_AND_NOTE: &str = "\
entity: Order
fields: {note: text}
actions:
  - name: act
    steps:
      - {@}
---
entity: Note
fields: {body: text}
actions: [{name: create_note}]
";

const SCHEDULE: &str = "\
entity: Order
fields: {total: integer}
actions:
  - {name: act, input: {kind: integer!}, steps: [{delete: Order WHERE total = $input.kind}]}
  - {name: other, input: {kind: integer!}, steps: [{delete: Order WHERE total = $input.kind}]}
schedules: [{@}]
";

const PLACES: &[Place] = &[
    place("a step `delete`", ENTITY, STEP, "delete: Order"),
    place("a step `find`", ENTITY, STEP, "find: Order WHERE total = 1"),
    place(
        "a step `foreach`",
        ENTITY,
        STEP,
        "foreach: x in find Order WHERE total = 1, do: [{delete: Order WHERE id = $x}]",
    ),
    place("a step `call`", ENTITY, STEP_AND_NOTE, "call: create_note(body = 'a')"),
    place("a step `notify`", ENTITY, STEP, "notify: 'ops(orders, \"new\")'"),
    place("a step `return`", ENTITY, STEP, "return: Nothing to do"),
    place("a schedule", ENTITY, SCHEDULE, "name: nightly, cron: '0 3 * * *', action: act, input: {kind: 1}"),
    place("an entity file", ENTITY, "@\n", "entity: Order"),
    place("an entity", ENTITY, "entity: {@}\n", "name: Order"),
    place(
        "a field",
        ENTITY,
        "entity: Order\nfields:\n  total: integer\n  x: {@}\n---\nentity: Customer\n",
        "type: text",
    ),
    place(
        "a function",
        ENTITY,
        "entity: Order\nschema: sales\nfields: {total: integer, note: text}\nfunctions: {tax: {@}}\nactions: [{name: act, steps: [{validate: tax(1) = 1}]}]\n",
        "args: {amount: integer}, returns: integer",
    ),
    place("an action", ENTITY, "entity: Order\nfields: {total: integer, note: text}\nactions:\n  - {@}\n", "name: act"),
    place("a step `validate`", ENTITY, STEP, "validate: total > 0"),
    place("a step `insert`", ENTITY, STEP, "insert: Order"),
    place("a step `update`", ENTITY, STEP, "update: Order SET note = 'x'"),
    place("a step `if`", ENTITY, STEP, "if: total > 0, then: [{reject: no}]"),
    place("a step `reject`", ENTITY, STEP, "reject: no"),
    place(
        "a step `call_service`",
        ENTITY,
        STEP,
        "call_service: {service: stripe, operation: create_charge, input: {amount: total}}",
    ),
    place("a `call_service`", ENTITY, CALL, "service: stripe, operation: create_charge, input: {amount: total}"),
    place("a registry file", REGISTRY, "@\n", "services: []"),
    place("a service", REGISTRY, "services: [{@}]\n", "name: crm"),
    place("`limits`", REGISTRY, "services: [{name: crm, limits: {@}}]\n", ""),
    place(
        "`circuit_breaker`",
        REGISTRY,
        "services: [{name: crm, circuit_breaker: {@}, operations: [{name: sync}]}]\n",
        "",
    ),
    place("`runner_config` of an HTTP service", REGISTRY, CONFIG, "base_url: 'https://crm.example.eu'"),
    place("`auth` of the type bearer", REGISTRY, AUTH, "type: bearer, token: {env: T}"),
    place("`auth` of the type basic", REGISTRY, AUTH, "type: basic, username: u"),
    place("`auth` of the type api_key", REGISTRY, AUTH, "type: api_key, header: X-Key, value: {env: T}"),
    place(
        "`security_policy` of an HTTP service",
        REGISTRY,
        "services:\n  - name: crm\n    runner_config: {base_url: 'https://crm.example.eu'}\n    security_policy: {@}\n",
        "",
    ),
    place(
        "a target",
        REGISTRY,
        "services:\n  - name: crm\n    runner_config: {targets: {a: {@}}}\n",
        "url: 'https://a.example.eu', secret: {env: S}",
    ),
    place(
        "a reference",
        REGISTRY,
        "services:\n  - name: crm\n    runner_config: {base_url: 'https://crm.example.eu', headers: {X-Account: {@}}}\n",
        "env: A",
    ),
    place("`retry`", REGISTRY, "services:\n  - name: crm\n    operations: [{name: sync}]\n    retry: {@}\n", ""),
    place(
        "an environment",
        REGISTRY,
        "services:\n  - name: crm\n    runner_config: {base_url: 'https://crm.example.eu'}\n    environments: {dev: {@}}\n",
        "runner_config: {}",
    ),
    place("an operation", REGISTRY, OPERATION, "path: /sync"),
    place(
        "a field of a schema",
        REGISTRY,
        "services:\n  - name: crm\n    operations: [{name: sync, input_schema: {x: {@}}}]\n",
        "type: text",
    ),
    place("the domain registry", "registry/domain_registry.yaml", "@\n", "domains: {}"),
    place("a domain", "registry/domain_registry.yaml", "domains: {sales: {@}}\n", ""),
    place("`specql.toml`", "specql.toml", "@\n", ""),
];

/// Keys that decide what else may be written, or have one value only so far: another value is refused.
const ONE_VALUE: &[(&str, &str, &str, &str)] = &[
    ("a field", "schema", "type: ref(Customer), schema: nowhere", "SQ0139"),
    ("a function", "args", "args: {}, returns: integer", "SQ0305"),
    ("a function", "returns", "args: {amount: integer}, returns: text", "SQ0303"),
    ("a function", "language", "args: {amount: integer}, returns: integer, sql: SELECT 1, language: plpgsql", "SQ0144"),
    ("`retry`", "backoff", "backoff: linear", "SQ0505"),
    ("a service", "execution_type", "name: crm, execution_type: docker", "SQ0502"),
    // What it does where `auth` stands beside it is a test of the registry's.
    ("a service", "auth_type", "name: crm, auth_type: bearer", "SQ0503"),
    ("`runner_config` of an HTTP service", "auth_type", "auth_type: bearer", "SQ0503"),
    (
        "`runner_config` of an HTTP service",
        "follow_redirects",
        "base_url: 'https://crm.example.eu', follow_redirects: 2",
        "SQ0502",
    ),
];

fn at(what: &str) -> &'static Place {
    PLACES.iter().find(|place| place.what == what).unwrap_or_else(|| panic!("no project in PLACES holds {what}"))
}

/// The project around the keys `inside`.
fn project(place: &Place, inside: &str) -> Sources {
    let kind = match place.path {
        ENTITY => SourceKind::Entities,
        "specql.toml" => SourceKind::Settings,
        _ => SourceKind::Registry,
    };
    let text = place.project.replace('@', inside).replace(", ,", ",").replace(", }", "}");
    let mut files = vec![SourceFile::new(place.path, text, kind)];
    if place.what.contains("domain") {
        for (path, schema) in
            [("entities/order.yaml", "sales"), ("entities/customer.yaml", "crm"), ("entities/line.yaml", "shop")]
        {
            let name = ["Order", "Customer", "Line"][files.len() - 1];
            let text = format!("entity: {name}\nschema: {schema}\n");
            files.push(SourceFile::new(path, text, SourceKind::Entities));
        }
    }
    if inside.contains("file: ") {
        files.push(SourceFile::new("sql/tax.sql", "SELECT amount * 2", SourceKind::Body));
    }
    if inside.contains("tenants: ") {
        files[1].text += "actions: [{name: act, steps: [{insert: Order}]}]\n\
            schedules: [{name: nightly, cron: '0 3 * * *', action: act, for_each_tenant: true}]\n";
    }
    if inside.contains("for_each_tenant") {
        let tenants = "entity: Company\nschema: crm\n".to_owned();
        let domains = "domains: {public: {multi_tenant: true, tenants: Company}, crm: {}}\n".to_owned();
        for (path, text, kind) in [
            ("entities/company.yaml", tenants, SourceKind::Entities),
            ("registry/domain_registry.yaml", domains, SourceKind::Registry),
        ] {
            files.push(SourceFile::new(path, text, kind));
        }
    }
    Sources::new(files)
}

/// Everything that comes of a project, or what is said against it.
fn outcome(sources: &Sources) -> Result<String, String> {
    let compilation = compile(sources);
    if compilation.has_errors() {
        let said: Vec<_> = compilation.diagnostics.iter().map(|one| render(one, sources, false)).collect();
        return Err(said.join("\n"));
    }
    let settings = settings::read(sources, &mut Vec::new());
    let folders = (settings.entities, settings.registry, settings.migrations);
    let parts = ProjectParts { name: "keys".to_owned(), migrations: Vec::new(), functions: Vec::new() };
    let (schema, rust) = (sql::schema(&compilation.model), rust::emit(&compilation.model, &parts));
    let sql = schema.render();
    Ok(format!(
        "{sql}\n{rust}\n{:?}\n{:?}\n{:?}\n{folders:?}",
        schema.renames, schema.backfills, compilation.model.registry
    ))
}

fn codes(sources: &Sources) -> Vec<&'static str> {
    compile(sources).diagnostics.iter().map(|one| one.rule.code).collect()
}

/// Why nothing shows that a key has an effect.
fn failure(table: &'static Table, key: &'static specql_compiler::internals::keys::Key) -> Option<String> {
    let named = format!("`{}` of {}", key.name, table.what);
    let separator = |place: &Place| if place.project.starts_with('@') { "\n" } else { ", " };
    let with = |place: &Place, more: &str| {
        if place.needs.is_empty() { more.to_owned() } else { format!("{}{}{more}", place.needs, separator(place)) }
    };
    let expected = match key.standing {
        // A step that is refused has no other keys, and no case.
        Standing::Refused if table.what.starts_with("a step") => return None,
        Standing::Refused => Some(["SQ0134", "SQ0502"]),
        Standing::Warned => Some(["SQ0135", "SQ0135"]),
        Standing::Optional | Standing::Required => None,
    };
    if let Some(expected) = expected {
        let place = at(table.what);
        let written =
            if place.path == "specql.toml" { format!("{} = 'x'", key.name) } else { format!("{}: x", key.name) };
        let said = codes(&project(place, &with(place, &written)));
        return (!said.iter().any(|code| expected.contains(code)))
            .then(|| format!("{named} is not said to have no effect"));
    }
    if let Some((_, _, inside, code)) =
        ONE_VALUE.iter().find(|(what, name, ..)| *what == table.what && *name == key.name)
    {
        return (!codes(&project(at(table.what), inside)).contains(code)).then(|| format!("{named} is not checked"));
    }
    let Some((_, _, first, second)) = CASES.iter().find(|(what, name, ..)| *what == table.what && *name == key.name)
    else {
        return Some(format!("{named} has no case"));
    };
    let place = at(table.what);
    let first = if first.is_empty() { place.needs } else { first };
    let second = second.strip_prefix('+').map_or_else(|| (*second).to_owned(), |more| with(place, more));
    match (outcome(&project(place, first)), outcome(&project(place, &second))) {
        (Ok(first), Ok(second)) if first != second => None,
        (Ok(_), Ok(_)) => Some(format!("{named} has no effect")),
        (Err(said), _) | (_, Err(said)) => Some(format!("{named}: its projects do not compile:\n{said}")),
    }
}

#[test]
fn no_key_is_without_effect() {
    let all = FORMATS.iter().flat_map(tables).flat_map(|table| table.keys().map(move |key| (table, key)));
    let failures: Vec<_> = all.filter_map(|(table, key)| failure(table, key)).collect();
    assert!(failures.is_empty(), "{} keys:\n{}", failures.len(), failures.join("\n"));
}

/// The keys of the original that language.md lets pass with a warning; everything else has an effect or is refused.
#[test]
fn only_these_keys_are_accepted_without_effect() {
    let warned: BTreeSet<_> = FORMATS
        .iter()
        .flat_map(tables)
        .flat_map(Table::keys)
        .filter_map(|key| (key.standing == Standing::Warned).then_some(key.name))
        .collect();
    assert_eq!(
        Vec::from_iter(warned),
        ["agents", "hierarchical", "identifier", "impact", "organization", "patterns", "table_views", "translations"]
    );
}
