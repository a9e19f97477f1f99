//! What is generated for people from the compiler's own tables: the error manual, the reference of keys and the JSON Schemas
//! for editors. They are committed, compared here, and rewritten with `SPECQL_BLESS=1`; and the examples of the error
//! manual are true.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{fs, path::Path};

use specql_compiler::{
    Rule, Severity, SourceFile, SourceKind, Sources, compile,
    internals::{
        diagnostics::{manual, rules},
        reference::{
            self,
            formats::{FORMATS, tables},
            json_schema_text,
        },
        syntax::{
            expr::{CONSTANTS, FORMS, NAMES, REFUSED},
            step::STEPS,
        },
    },
    render,
};

fn generated(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    if std::env::var_os("SPECQL_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    } else {
        let is = fs::read_to_string(&path).unwrap_or_default();
        assert!(is == text, "{} is not up to date: run this test with SPECQL_BLESS=1", path.display());
    }
}

#[test]
fn the_error_manual_is_up_to_date() {
    generated("docs/errors.md", &manual());
}

#[test]
fn the_reference_of_keys_is_up_to_date() {
    generated("docs/reference/keys.md", &reference::keys());
}

#[test]
fn the_references_of_types_and_functions_are_up_to_date() {
    generated("docs/reference/types.md", &reference::types());
    generated("docs/reference/functions.md", &reference::functions());
}

#[test]
fn the_reference_of_operators_is_up_to_date() {
    generated("docs/reference/operators.md", &reference::operators());
}

/// Whether an expression over the entity of the reference compiles; else what is said.
fn is_refused(expression: &str) -> Option<String> {
    let condition = serde_json::to_string(&format!("({expression}) IS NOT NULL")).unwrap();
    let action = format!(
        "actions:\n  - name: act\n    input: {{id: uuid!, amount: decimal}}\n    steps: [{{validate: {condition}}}]\n---\n"
    );
    let text = reference::ENTITY.replacen("---\n", &action, 1);
    let sources = Sources::new(vec![SourceFile::new("entities/ticket.yaml", text, SourceKind::Entities)]);
    let compilation = compile(&sources);
    let said: Vec<_> = compilation.diagnostics.iter().map(|one| render(one, &sources, false)).collect();
    compilation.has_errors().then(|| said.join("\n\n"))
}

#[test]
fn the_examples_of_the_reference_of_operators_are_true() {
    let forms = FORMS.iter().chain(CONSTANTS).chain(NAMES);
    let mut right: Vec<&str> = forms.flat_map(|form| form.examples).copied().collect();
    for (wrong, instead) in REFUSED {
        assert!(is_refused(wrong).is_some(), "`{wrong}` is not refused");
        right.extend(instead.split('`').skip(1).step_by(2).filter(|code| code.contains('(') && !code.contains('…')));
    }
    assert!(right.len() > 30, "{right:?}");
    for expression in right {
        assert_eq!(is_refused(expression), None, "`{expression}`");
    }
}

#[test]
fn the_schemas_for_editors_are_up_to_date() {
    for format in &FORMATS {
        generated(&format!("schemas/{}.json", format.name), &json_schema_text(format));
    }
}

/// The first cells of the rows of tables that begin with a code.
fn listed(text: &str, before: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix(before)?.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(status, _)| status.to_owned()).collect()
}

#[test]
fn the_page_about_actions_lists_every_status() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/actions.md")).unwrap();
    let (_, page) = page.split_once("## All statuses").unwrap();
    let known = fs::read_to_string(root.join("src/sql/action/mod.rs")).unwrap();
    assert_eq!(listed(page, ""), listed(&known, "//! "));
    // Those that only SQL says.
    for file in ["result", "input", "money"] {
        let sql = fs::read_to_string(root.join(format!("src/sql/app/{file}.sql"))).unwrap();
        let said = sql.split('\'').skip(1).step_by(2);
        for status in
            said.filter(|text| ["validation:", "failed:", "conflict:"].iter().any(|kind| text.starts_with(kind)))
        {
            assert!(page.contains(&format!("| `{status}")), "`{status}` of {file}.sql");
        }
    }
}

/// Rules whose examples no compilation shows, and why. The folders of `tests/diagnostics/` raise them all the same.
fn is_shown_elsewhere(rule: &Rule) -> bool {
    // Examples of the YAML reader are whole files to it, and checked beside it.
    let of_yaml = rule.code < "SQ0012";
    // What is wrong with a history needs a history.
    let of_migrations = rule.code >= "SQ0600";
    of_yaml || of_migrations
}

#[test]
fn the_examples_of_the_error_manual_are_true() {
    let mut untrue = Vec::new();
    for rule in rules::ALL.iter().copied().filter(|rule| !is_shown_elsewhere(rule)) {
        let (wrong, right) = (example(rule, "Wrong:\n"), example(rule, "Right:\n"));
        let (found, said, shown) = said(rule, &wrong);
        if !found.contains(&rule.code) {
            untrue.push(format!("{}: the wrong example does not raise it:\n{shown}\n{said}", rule.code));
        }
        let (found, said, shown) = self::said(rule, &right);
        if said.contains("error[") || found.contains(&rule.code) {
            untrue.push(format!("{}: the right example is wrong:\n{shown}\n{said}", rule.code));
        }
    }
    assert!(untrue.is_empty(), "{}", untrue.join("\n\n"));
}

/// Language and text of the block behind a heading.
fn example(rule: &Rule, heading: &str) -> (String, String) {
    let behind = rule.explanation.split(heading).nth(1).unwrap();
    let (language, rest) = behind.strip_prefix("```").unwrap().split_once('\n').unwrap();
    (language.to_owned(), rest.split("```").next().unwrap().to_owned())
}

/// The codes that an example raises in its project, all that is said, and the project.
fn said(rule: &Rule, (language, text): &(String, String)) -> (Vec<&'static str>, String, String) {
    let mut files = project(rule, language, text);
    if text.contains("file: sql/tax.sql") {
        files.push(SourceFile::new("sql/tax.sql", "SELECT amount * 0.19\n", SourceKind::Body));
    }
    let shown = files.iter().map(|file| format!("--- {}\n{}", file.path, file.text)).collect();
    let sources = Sources::new(files);
    let compilation = compile(&sources);
    let said: Vec<_> = compilation.diagnostics.iter().map(|one| render(one, &sources, false)).collect();
    (compilation.diagnostics.iter().map(|one| one.rule.code).collect(), said.join("\n\n"), shown)
}

/// What the examples talk about, where they do not say it themselves.
const CONTEXT: [(&str, &str); 8] = [
    (
        "Order",
        "entity: Order
schema: sales
fields:
  customer_email: email!
  total: integer!
  discount: integer
  price: money
  currency: currencyCode = EUR
  payment_status: enum(unpaid, paid, failed) = unpaid
  shipped: boolean
  charge_id: text
  name: text
  note: text
  code: text
  label: text
  sku: text
  tags: list(text)
  customer: ref(crm.Customer)
",
    ),
    ("Customer", "entity: Customer\nschema: crm\nfields: {name: text, email: email, orders: integer = 0}\n"),
    ("Cart", "entity: Cart\nschema: sales\nfields: {note: text}\n"),
    ("Agent", "entity: Agent\nschema: crm\nfields: {name: text}\n"),
    ("Product", "entity: Product\nschema: catalog\nfields: {name: text, price: money}\n"),
    ("Ticket", "entity: Ticket\nschema: sales\nfields: {sold: boolean! = false}\n"),
    ("Line", "entity: Line\nschema: sales\nfields: {sku: text, quantity: integer}\n"),
    ("Invoice", "entity: Invoice\nschema: sales\nfields: {total: integer, note: text}\n"),
];

const REGISTRY: &str = "registry/service_registry.yaml";

/// A whole project around an excerpt, by its first key.
fn project(rule: &Rule, language: &str, text: &str) -> Vec<SourceFile> {
    let file = |path: &str, text: String, kind| SourceFile::new(path, text, kind);
    if language == "toml" {
        return vec![file("specql.toml", text.to_owned(), SourceKind::Settings)];
    }
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
    let first = line.trim_start_matches("- ").split(':').next().unwrap();
    let is_list = line.starts_with("- ");
    let is = |what: &str| {
        let all = FORMATS.iter().flat_map(tables);
        all.filter(|table| table.what == what).flat_map(|table| table.keys()).any(|key| key.name == first)
    };
    let tenants = ("SQ0150".."SQ0160").contains(&rule.code) || rule.code == "SQ0234";
    let mut files = Vec::new();
    if tenants && first != "domains" {
        let domains = "domains:\n  sales: {multi_tenant: true, tenants: Customer}\n".to_owned();
        files.push(file("registry/domain_registry.yaml", domains, SourceKind::Registry));
    }
    if first == "domains" {
        files.push(file("registry/domain_registry.yaml", text.to_owned(), SourceKind::Registry));
    } else if ("SQ0500".."SQ0600").contains(&rule.code) || first == "services" {
        files.push(file(REGISTRY, registry(text, first, is_list, &is), SourceKind::Registry));
    } else {
        let mut text = entity(text, first, is_list, &is);
        if text.contains("input: {lines:") {
            text = text.replace("service: stripe", "service: shipping").replace("create_charge", "ship");
            let schema = "{lines: [{sku: text, quantity: integer!}]}";
            let operation = format!("{{name: ship, path: /ship, input_schema: {schema}}}");
            let config = "runner_config: {base_url: 'https://ship.example.eu'}";
            let registry = format!("services:\n  - {{name: shipping, {config}, operations: [{operation}]}}\n");
            files.push(file(REGISTRY, registry, SourceKind::Registry));
        }
        files.push(file("entities/example.yaml", text, SourceKind::Entities));
    }
    let written = files.iter().map(|file| file.text.clone()).collect::<String>();
    let context = CONTEXT.iter().filter(|(name, _)| {
        let inside = format!("entity: {{name: {name},");
        !written.lines().any(|line| line == format!("entity: {name}") || line.starts_with(&inside))
    });
    for (name, text) in context {
        let text = if tenants || *name != "Order" {
            text.replace("  customer: ref(crm.Customer)\n", "")
        } else {
            (*text).to_owned()
        };
        files.push(file(&format!("entities/{}.yaml", name.to_lowercase()), text, SourceKind::Entities));
    }
    files
}

fn registry(text: &str, first: &str, is_list: bool, is: &dyn Fn(&str) -> bool) -> String {
    if first == "services" || is("a registry file") {
        return text.to_owned();
    }
    let base = "https://crm.example.eu";
    let service = if is_list {
        return format!("services:\n{}", indented(text, 2));
    } else if is("a service") && first != "timeout" {
        let config = if text.contains("runner_config:\n") || text.starts_with("runner_config") {
            String::new()
        } else {
            format!("runner_config: {{base_url: \"{base}\"}}\n")
        };
        format!("name: crm\n{config}{text}")
    } else if is("an operation") {
        let path = if text.contains("path:") { "" } else { "path: /sync\n" };
        let operation = format!("name: sync\n{path}{text}");
        format!("name: crm\nrunner_config: {{base_url: \"{base}\"}}\noperations:\n{}", item(&operation, 2))
    } else {
        format!("name: crm\nrunner_config:\n  base_url: \"{base}\"\n{}", indented(text, 2))
    };
    format!("services:\n{}", item(&service, 2))
}

fn entity(text: &str, first: &str, is_list: bool, is: &dyn Fn(&str) -> bool) -> String {
    let (_, order) = CONTEXT[0];
    let callable = "  - name: reserve
    steps: [{update: Order SET discount = $input.quantity}]
  - name: notify_everybody
    steps: [{notify: 'ops(orders, \"new\")'}]
";
    let act = |keys: String| format!("{order}actions:\n{}{callable}", item(&format!("name: act\n{keys}"), 2));
    let step = |steps: String| act(format!("steps:\n{}", indented(&steps, 2)));
    let call = |keys: &str| {
        let all = [
            ("service", "service: stripe\n"),
            ("operation", "operation: create_charge\n"),
            ("input", "input: {amount: $order.total}\n"),
        ];
        let missing: String =
            all.iter().filter(|(key, _)| !keys.starts_with(&format!("{key}:"))).map(|(_, line)| *line).collect();
        step(format!("- call_service:\n{}", indented(&format!("{missing}{keys}"), 4)))
    };
    if text.contains("schedules:") && !text.contains("actions:") {
        let steps = "steps: [{reject: no}]";
        let all = ["tidy_up", "close_orders", "close_campaigns"].map(|name| format!("  - {{name: {name}, {steps}}}\n"));
        let before = if first == "entity" { "" } else { order };
        format!("{before}{text}actions:\n{}  - {{name: report, input: {{kind: text}}, {steps}}}\n", all.concat())
    } else if first == "entity" {
        text.to_owned()
    } else if is_list && (first == "updaet" || STEPS.iter().any(|step| step.keys[0].name == first)) {
        step(text.to_owned())
    } else if is_list {
        format!("{order}actions:\n{}", indented(text, 2))
    } else if first == "fields" {
        format!("entity: Example\n{text}")
    } else if is("an entity") {
        format!("{order}{text}")
    } else if first == "steps" || (is("an action") && text.contains("\nsteps:")) {
        act(text.to_owned())
    } else if is("a `call_service`") {
        call(text)
    } else if first == "source" {
        call(&format!("input:\n  amount: $order.total\n  {text}"))
    } else {
        // Fields, perhaps of the names of those above.
        let others = order.lines().filter(|line| !line.starts_with(&format!("  {first}:")));
        format!("{}\n{}", others.collect::<Vec<_>>().join("\n"), indented(text, 2))
    }
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{:by$}{line}\n", "") }).collect()
}

/// The text as an item of a list.
fn item(text: &str, by: usize) -> String {
    let text = indented(text, by + 2);
    format!("{:by$}- {}", "", text.trim_start())
}

#[test]
fn warnings_and_errors_are_told_apart_in_the_manual() {
    let warnings = rules::ALL.iter().filter(|rule| rule.severity == Severity::Warning).count();
    assert_eq!(manual().matches("| warning |").count(), warnings);
}
