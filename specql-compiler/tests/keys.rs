//! No key is without effect: for each key of the compiler's tables there are two projects that differ in that key alone, and
//! in the database, the Rust, the registry or the settings that come of them; or the key is refused, or warned about.
//!
//! The keys are those of the tables, so a new one fails this test until it has a case in `CASES`.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::collections::BTreeSet;

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

/// Mapping, key, and two ways to write the mapping that differ in that key alone. An empty first way is what the mapping
/// needs; a second way that begins with `+` is that and more.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("a step `delete`", "delete", "", "delete: Order WHERE total = 1"),
    ("a step `delete`", "where", "", "+where: total > 0"),
    ("a step `delete`", "hard", "", "+hard: true"),
    ("a step `find`", "find", "", "find: Order WHERE total = 2"),
    ("a step `find`", "where", "find: Order", "find: Order, where: total = 1"),
    ("a step `find`", "as", "", "+as: found"),
    ("a step `find`", "optional", "", "+optional: true"),
    (
        "a step `find`",
        "lock",
        "find: Order WHERE total = 1, as: found",
        "find: Order WHERE total = 1, as: found, lock: true",
    ),
    (
        "a step `foreach`",
        "foreach",
        "",
        "foreach: x in find Order WHERE total = 2, do: [{delete: Order WHERE id = $x}]",
    ),
    ("a step `foreach`", "do", "", "foreach: x in find Order WHERE total = 1, do: [{reject: no}]"),
    ("a step `call`", "call", "", "call: create_note(body = 'b')"),
    ("a step `call`", "as", "", "+as: made"),
    ("a step `call`", "store", "", "+store: made"),
    ("a step `notify`", "notify", "", "notify: 'ops(orders, \"late\")'"),
    ("a step `return`", "return", "", "return: Another message"),
    ("a schedule", "name", "", "name: daily, cron: '0 3 * * *', action: act, input: {kind: 1}"),
    ("a schedule", "cron", "", "name: nightly, cron: '0 4 * * *', action: act, input: {kind: 1}"),
    ("a schedule", "timezone", "", "+timezone: Europe/Berlin"),
    ("a schedule", "action", "", "name: nightly, cron: '0 3 * * *', action: other, input: {kind: 1}"),
    ("a schedule", "input", "", "name: nightly, cron: '0 3 * * *', action: act, input: {kind: 2}"),
    ("a schedule", "catch_up", "", "+catch_up: all"),
    ("a schedule", "for_each_tenant", "", "+for_each_tenant: true"),
    ("a schedule", "renamed_from", "", "+renamed_from: daily"),
    ("an entity file", "entity", "", "entity: Invoice"),
    ("an entity file", "schema", "", "+schema: sales"),
    ("an entity file", "key", "", "+key: bigint"),
    ("an entity file", "description", "", "+description: What was ordered"),
    ("an entity file", "fields", "", "+fields: {total: integer}"),
    ("an entity file", "actions", "", "+actions: [{name: create_order}]"),
    (
        "an entity file",
        "unique",
        "entity: Order\nfields: {a: text, b: integer}",
        "entity: Order\nfields: {a: text, b: integer}\nunique: [a, b]",
    ),
    (
        "an entity file",
        "indexes",
        "entity: Order\nfields: {a: text, b: integer}",
        "entity: Order\nfields: {a: text, b: integer}\nindexes: [[a, b], b]",
    ),
    (
        "an entity file",
        "checks",
        "entity: Order\nfields: {a: text, b: integer}",
        "entity: Order\nfields: {a: text, b: integer}\nchecks: {positive: b > 0}",
    ),
    (
        "an entity",
        "unique",
        "name: Order, fields: {a: text, b: integer}",
        "name: Order, fields: {a: text, b: integer}, unique: [a, b]",
    ),
    (
        "an entity",
        "indexes",
        "name: Order, fields: {a: text, b: integer}",
        "name: Order, fields: {a: text, b: integer}, indexes: [[a, b], b]",
    ),
    (
        "an entity",
        "checks",
        "name: Order, fields: {a: text, b: integer}",
        "name: Order, fields: {a: text, b: integer}, checks: {positive: b > 0}",
    ),
    (
        "an entity file",
        "functions",
        "entity: Order\nfunctions: {}",
        "entity: Order\nfunctions: {tax: {args: {a: integer}, returns: integer}}\nactions: [{name: act, steps: [{validate: tax(1) = 1}]}]",
    ),
    (
        "an entity file",
        "schedules",
        "entity: Order\nfields: {note: text}\nactions: [{name: act, steps: [{delete: Order WHERE note = 'x'}]}]",
        "entity: Order\nfields: {note: text}\nactions: [{name: act, steps: [{delete: Order WHERE note = 'x'}]}]\nschedules: [{name: nightly, cron: '0 3 * * *', action: act}]",
    ),
    (
        "an entity",
        "schedules",
        "name: Order, fields: {note: text}, actions: [{name: act, steps: [{delete: Order WHERE note = 'x'}]}]",
        "name: Order, fields: {note: text}, actions: [{name: act, steps: [{delete: Order WHERE note = 'x'}]}], schedules: [{name: nightly, cron: '0 3 * * *', action: act}]",
    ),
    ("an entity", "name", "", "name: Invoice"),
    ("an entity", "schema", "", "+schema: sales"),
    ("an entity", "key", "", "+key: bigint"),
    ("an entity", "description", "", "+description: What was ordered"),
    ("an entity", "fields", "", "+fields: {total: integer}"),
    ("an entity", "actions", "", "+actions: [{name: create_order}]"),
    (
        "an entity",
        "functions",
        "name: Order, functions: {}",
        "name: Order, functions: {tax: {args: {a: integer}, returns: integer}}, actions: [{name: act, steps: [{validate: tax(1) = 1}]}]",
    ),
    ("a field", "type", "", "type: integer"),
    ("a field", "nullable", "", "+nullable: false"),
    ("a field", "required", "", "+required: true"),
    ("a field", "default", "", "+default: none"),
    ("a field", "description", "", "+description: Free text"),
    // A name that stands in one schema only is found without it; another schema is refused, below.
    ("a field", "renamed_from", "", "+renamed_from: y"),
    ("an entity file", "renamed_from", "", "+renamed_from: Sale"),
    ("an entity", "renamed_from", "", "+renamed_from: sales.Sale"),
    ("a field", "on_delete", "type: ref(Customer)", "type: ref(Customer), on_delete: cascade"),
    ("a field", "backfill", "type: integer!", "type: integer!, backfill: 1"),
    ("a field", "unique", "", "+unique: true"),
    ("a function", "volatility", "", "+volatility: immutable"),
    ("a function", "schema", "", "+schema: crm"),
    ("an action", "name", "name: act, steps: [{reject: no}]", "name: other, steps: [{reject: no}]"),
    ("an action", "description", "", "+description: Does it"),
    ("an action", "input", "name: act, steps: [{reject: no}]", "name: act, steps: [{reject: no}], input: {x: text}"),
    ("an action", "steps", "", "+steps: [{reject: no}]"),
    ("an action", "wrapper", "", "+wrapper: other"),
    ("a step `validate`", "validate", "", "validate: total > 1"),
    ("a step `validate`", "error", "", "+error: too_small"),
    ("a step `validate`", "message", "", "+message: More is needed"),
    ("a step `insert`", "insert", "insert: Order, values: {total: 1}", "insert: sales.Order, values: {total: 2}"),
    ("a step `insert`", "values", "", "+values: {total: 1}"),
    ("a step `insert`", "as", "", "+as: made"),
    ("a step `update`", "update", "", "update: Order SET note = 'y'"),
    ("a step `update`", "set", "update: Order, set: {note: other}", "update: Order, set: {note: upper(other)}"),
    ("a step `update`", "where", "", "+where: total > 0"),
    ("a step `if`", "if", "", "if: total > 1, then: [{reject: no}]"),
    ("a step `if`", "then", "", "if: total > 0, then: [{reject: never}]"),
    ("a step `if`", "else", "", "+else: [{reject: never}]"),
    ("a step `reject`", "reject", "", "reject: never"),
    (
        "a step `call_service`",
        "call_service",
        "",
        "call_service: {service: stripe, operation: create_charge, input: {amount: 1}}",
    ),
    (
        "a `call_service`",
        "service",
        "",
        "service: sendgrid, operation: send_email, input: {to: \"a@b.eu\", subject: \"x\"}",
    ),
    (
        "a `call_service`",
        "operation",
        "service: stripe, operation: create_charge, input: {amount: 1}",
        "service: stripe, operation: create_customer, input: {}",
    ),
    ("a `call_service`", "input", "", "service: stripe, operation: create_charge, input: {amount: 1}"),
    ("a `call_service`", "async", "", "+async: false"),
    ("a `call_service`", "async_mode", "", "+async_mode: false"),
    ("a `call_service`", "timeout", "", "+timeout: 5"),
    ("a `call_service`", "max_retries", "", "+max_retries: 9"),
    ("a `call_service`", "give_up_after", "", "+give_up_after: 2 hours"),
    ("a `call_service`", "correlation_field", "", "+correlation_field: note"),
    ("a `call_service`", "idempotency_key", "", "+idempotency_key: note"),
    ("a `call_service`", "unique", "", "+unique: never"),
    ("a `call_service`", "delay", "", "+delay: 10 minutes"),
    ("a `call_service`", "run_at", "", "+run_at: now()"),
    ("a `call_service`", "priority", "", "+priority: 3"),
    ("a `call_service`", "as", "", "+as: payment"),
    ("a `call_service`", "on_success", "", "+on_success: [{update: Order SET note = 'x'}]"),
    ("a `call_service`", "on_failure", "", "+on_failure: [{update: Order SET note = 'x'}]"),
    ("a registry file", "services", "", "services: [{name: crm}]"),
    ("a service", "name", "", "name: erp"),
    ("a service", "type", "", "+type: sales"),
    ("a service", "category", "", "+category: sales"),
    ("a service", "description", "", "+description: Customers"),
    ("a service", "runner_config", "", "+runner_config: {base_url: 'https://crm.example.eu'}"),
    (
        "a service",
        "security_policy",
        "name: crm, runner_config: {base_url: 'https://crm.example.eu'}",
        "name: crm, runner_config: {base_url: 'https://crm.example.eu'}, security_policy: {allow_private_network: true}",
    ),
    (
        "a service",
        "timeout",
        "name: crm, operations: [{name: sync}]",
        "name: crm, operations: [{name: sync}], timeout: 7",
    ),
    (
        "a service",
        "retry",
        "name: crm, operations: [{name: sync}]",
        "name: crm, operations: [{name: sync}], retry: {initial: 7s}",
    ),
    (
        "a service",
        "environments",
        "name: crm, runner_config: {base_url: 'https://crm.example.eu'}",
        "name: crm, runner_config: {base_url: 'https://crm.example.eu'}, environments: {dev: {runner_config: {max_response_mb: 2}}}",
    ),
    ("a service", "operations", "", "+operations: [{name: sync}]"),
    ("a service", "limits", "", "+limits: {concurrency: 2}"),
    (
        "a service",
        "circuit_breaker",
        "name: crm, operations: [{name: sync}]",
        "name: crm, operations: [{name: sync}], circuit_breaker: {window: 9}",
    ),
    ("a service", "fallback", "", "+fallback: stripe"),
    ("`limits`", "concurrency", "", "concurrency: 2"),
    ("`limits`", "rate", "", "rate: 5/s"),
    ("`circuit_breaker`", "window", "", "window: 9"),
    ("`circuit_breaker`", "minimum_calls", "", "minimum_calls: 9"),
    ("`circuit_breaker`", "failure_rate", "", "failure_rate: 9"),
    ("`circuit_breaker`", "open_for", "", "open_for: 9s"),
    ("`circuit_breaker`", "max_open", "", "max_open: 9m"),
    ("an operation", "circuit_breaker", "", "+circuit_breaker: {}"),
    ("`runner_config` of an HTTP service", "base_url", "", "base_url: 'https://erp.example.eu'"),
    ("`runner_config` of an HTTP service", "auth", "", "+auth: {type: bearer, token: {env: T}}"),
    ("`runner_config` of an HTTP service", "headers", "", "+headers: {X-A: b}"),
    ("`runner_config` of an HTTP service", "body", "", "+body: form"),
    ("`runner_config` of an HTTP service", "max_response_mb", "", "+max_response_mb: 3"),
    ("`runner_config` of an HTTP service", "plaintext", "", "+plaintext: true"),
    (
        "`runner_config` of an HTTP service",
        "targets",
        "",
        "+targets: {a: {url: 'https://a.example.eu', secret: {env: S}}}",
    ),
    ("`runner_config` of an HTTP service", "signing_secret", "", "+signing_secret: {env: S}"),
    ("`runner_config` of an HTTP service", "timeout", "", "+timeout: 9"),
    ("`auth` of the type bearer", "type", "", "type: basic, username: u"),
    ("`auth` of the type bearer", "token", "", "type: bearer, token: {env: U}"),
    ("`auth` of the type basic", "type", "", "type: bearer, token: {env: T}"),
    ("`auth` of the type basic", "username", "", "type: basic, username: v"),
    ("`auth` of the type basic", "password", "", "+password: {env: P}"),
    ("`auth` of the type api_key", "type", "", "type: bearer, token: {env: T}"),
    ("`auth` of the type api_key", "header", "", "type: api_key, header: X-Other, value: {env: T}"),
    ("`auth` of the type api_key", "query", "", "type: api_key, query: key, value: {env: T}"),
    ("`auth` of the type api_key", "value", "", "type: api_key, header: X-Key, value: {env: U}"),
    ("`security_policy` of an HTTP service", "allowed_hosts", "", "allowed_hosts: [crm.example.eu]"),
    ("`security_policy` of an HTTP service", "allow_private_network", "", "allow_private_network: true"),
    ("`security_policy` of an HTTP service", "allow_any_public_host", "", "allow_any_public_host: true"),
    ("a target", "url", "", "url: 'https://b.example.eu', secret: {env: S}"),
    ("a target", "secret", "", "url: 'https://a.example.eu', secret: {env: T}"),
    ("a reference", "env", "", "env: B"),
    ("a reference", "secret", "", "secret: a"),
    ("a reference", "default", "", "+default: x"),
    ("`retry`", "initial", "", "initial: 9s"),
    ("`retry`", "max", "", "max: 9m"),
    ("`retry`", "jitter", "", "jitter: none"),
    ("an environment", "development", "", "+development: true"),
    ("an environment", "runner_config", "", "runner_config: {max_response_mb: 2}"),
    ("an environment", "security_policy", "", "+security_policy: {allowed_hosts: [crm.example.eu]}"),
    ("an operation", "name", "path: /sync", "path: /sync}, {name: more, path: /more"),
    ("an operation", "description", "", "+description: Brings it up to date"),
    ("an operation", "input_schema", "", "+input_schema: {a: text}"),
    ("an operation", "output_schema", "", "+output_schema: {a: text}"),
    ("an operation", "timeout", "", "+timeout: 3"),
    ("an operation", "max_retries", "", "+max_retries: 7"),
    ("an operation", "give_up_after", "", "+give_up_after: 2h"),
    ("an operation", "unique", "", "+unique: once"),
    ("an operation", "idempotent", "", "+idempotent: true"),
    ("an operation", "retry", "", "+retry: {initial: 3s}"),
    ("an operation", "method", "", "+method: PUT"),
    ("an operation", "path", "", "path: /other"),
    ("an operation", "url", "input_schema: {to: url!}, path: /sync", "input_schema: {to: url!}, url: '{to}'"),
    ("an operation", "target", "input_schema: {to: text!}, path: /sync", "input_schema: {to: text!}, target: '{to}'"),
    ("an operation", "query", "", "+query: {a: b}"),
    ("an operation", "headers", "", "+headers: {X-A: b}"),
    ("an operation", "body", "", "+body: form"),
    ("an operation", "body_template", "", "+body_template: {a: 1}"),
    ("an operation", "idempotency_header", "", "+idempotency_header: Idempotency-Key"),
    ("an operation", "success", "", "+success: 201"),
    ("an operation", "retry_on", "", "+retry_on: [429]"),
    ("an operation", "no_effect_codes", "", "+no_effect_codes: [503]"),
    (
        "an operation",
        "output",
        "path: /sync, output_schema: {a: text}",
        "path: /sync, output_schema: {a: text}, output: {a: $.b}",
    ),
    ("a field of a schema", "type", "", "type: integer"),
    ("a field of a schema", "required", "", "+required: true"),
    ("a field of a schema", "default", "", "+default: x"),
    ("a field of a schema", "description", "", "+description: What"),
    ("the domain registry", "domains", "", "domains: {sales: {multi_tenant: true}}"),
    ("a domain", "name", "multi_tenant: true", "name: crm, multi_tenant: true"),
    ("a domain", "description", "", "description: Sales"),
    ("a domain", "multi_tenant", "", "multi_tenant: true"),
    ("a domain", "tenants", "multi_tenant: true, tenants: Customer", "multi_tenant: true, tenants: Line"),
    ("a domain", "aliases", "", "aliases: [shop]"),
    ("`specql.toml`", "entities", "", "entities = 'model'"),
    ("`specql.toml`", "registry", "", "registry = 'services'"),
    ("`specql.toml`", "migrations", "", "migrations = 'history'"),
    ("`specql.toml`", "use", "", "use = ['stripe']"),
];

/// Keys that decide what else may be written, or have one value only so far: another value is refused.
const ONE_VALUE: &[(&str, &str, &str, &str)] = &[
    ("a field", "schema", "type: ref(Customer), schema: nowhere", "SQ0139"),
    ("a function", "args", "args: {}, returns: integer", "SQ0305"),
    ("a function", "returns", "args: {amount: integer}, returns: text", "SQ0303"),
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
    let parts = ProjectParts { name: "keys".to_owned(), migrations: Vec::new() };
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
