//! Schedules: what is said about mistakes, and what the model and the schema hold.

use pretty_assertions::assert_eq;
use specql_registry::timing::CatchUp;

use super::{compiled, said};
use crate::{
    compile,
    source::{SourceFile, SourceKind, Sources},
    sql,
};

/// An order with an action that takes something, one of another entity, and this schedule.
fn schedule(schedule: &str) -> String {
    format!(
        "\
entity: Order
schema: sales
fields: {{total: integer!}}
schedules: [{schedule}]
actions:
  - name: tidy
    input: {{kind: 'enum(short, long)!', at_most: integer, price: money, customer: ref(Customer), extra: json, tags: list(text), since: date}}
    steps: [{{reject: done}}]
---
entity: Customer
fields: {{name: text!}}
actions: [{{name: greet, wrapper: greet_customers, steps: [{{reject: hello}}]}}]
"
    )
}

fn check(table: &[(&str, &[&str])]) {
    for (input, expected) in table {
        assert_eq!(said(&schedule(input)), *expected, "{input}");
    }
}

#[test]
fn a_schedule_that_cannot_be_understood_is_reported_where_it_stands() {
    let input = "input: {kind: \"short\"}";
    check(&[
        (
            "{name: nightly, cron: 0 25 * * *, timezone: Europe/Berln, action: tydi, catch_up: twice}",
            &[
                "4:35 SQ0230 `0 25 * * *` is no cron rule: number out of bounds | write minute, hour, day, month and weekday, such as `0 3 * * *` (every day at 03:00)",
                "4:57 SQ0231 unknown time zone `Europe/Berln` | did you mean `Europe/Berlin`?",
                "4:79 SQ0232 there is no action `tydi` | known: `tidy`, `greet_customers`",
                "4:95 SQ0235 `catch_up` cannot be `twice` | it is `none` (missed times are skipped), `one` (the action is called once for all of them) or `all`",
            ],
        ),
        (
            &format!("{{name: never, cron: 0 0 30 2 *, action: tidy, {input}}}"),
            &[
                "4:33 SQ0230 `0 0 30 2 *` is no cron rule: it is never due | write minute, hour, day, month and weekday, such as `0 3 * * *` (every day at 03:00)",
            ],
        ),
        (
            &format!(
                "{{name: Nightly, cron: '@daily', timezone: CEST, action: greet_customers}}, {{name: a, cron: '@daily', action: tidy, {input}}}, {{name: a, cron: '@daily', action: greet_customers}}"
            ),
            &[
                "4:20 SQ0136 `Nightly` is not a name of a schedule | write `nightly`",
                "4:55 SQ0231 unknown time zone `CEST` | did you mean `CET`?",
                "4:159 SQ0138 there is a second schedule `a` in this entity | rename one of them",
            ],
        ),
        (
            "{cron: '@daily'}",
            &[
                "4:14 SQ0133 a schedule needs the key `action` | add `action:`",
                "4:14 SQ0133 a schedule needs the key `name` | add `name:`",
            ],
        ),
        (
            "{name: a, cron: '@daily', action: greet, every: day}",
            &[
                "4:47 SQ0232 there is no action `greet` | known: `tidy`, `greet_customers`",
                "4:54 SQ0132 unknown key `every` in a schedule | known: `name`, `cron`, `timezone`, `action`, `input`, `for_each_tenant`, `catch_up`, `renamed_from`",
            ],
        ),
    ]);
}

#[test]
fn the_input_is_checked_against_what_the_action_takes() {
    let start = "name: a, cron: '@daily', action: tidy";
    check(&[
        (
            &format!("{{{start}}}"),
            &[
                "4:14 SQ0233 the action `tidy` needs the input `kind: enum(short, long)` | add it to the schedule's `input:`",
            ],
        ),
        (
            &format!("{{{start}, input: {{kynd: \"short\"}}}}"),
            &["4:61 SQ0233 the action `tidy` has no input `kynd` | did you mean `kind`?"],
        ),
        (
            &format!("{{{start}, input: {{kind: short}}}}"),
            &[
                "4:67 SQ0233 a schedule's input is a constant: there is nothing it could be computed from | put a text in quotes: `\"text\"`; what depends on the time is computed in the action",
            ],
        ),
        (
            &format!("{{{start}, input: {{kind: \"huge\", at_most: 3000000000, customer: \"x\"}}}}"),
            &[
                "4:67 SQ0306 `huge` is not one of the enum's values | known: `short`, `long`",
                "4:84 SQ0306 `3000000000` is not a valid integer | the largest is 2147483647",
                "4:106 SQ0306 `x` is not a valid uuid | a UUID, such as `018f3f6e-7b0a-7c3e-9d7e-0123456789ab`",
            ],
        ),
        (
            &format!("{{{start}, input: {{kind: null, at_most: true, since: now()}}}}"),
            &[
                "4:67 SQ0233 the input `kind` must have a value | give it one",
                "4:82 SQ0233 the input `at_most` is of type integer, found `true`",
                "4:95 SQ0233 a schedule's input is a constant: there is nothing it could be computed from | put a text in quotes: `\"text\"`; what depends on the time is computed in the action",
            ],
        ),
        (
            "{name: a, cron: '@daily', action: greet_customers, input: {x: 1}}",
            &["4:72 SQ0233 the action `greet` has no input `x` | it takes none"],
        ),
    ]);
}

#[test]
fn a_schedule_becomes_a_row_of_the_queue() {
    let input = "{kind: \"short\", at_most: -5, price: 1.50, customer: null, extra: {a: [1, true]}, tags: [\"x\"], since: \"2026-01-31\"}";
    let written = format!(
        "{{name: nightly, cron: '30 2 * * MON-FRI', timezone: Europe/Berlin, action: tidy, input: {input}, catch_up: all}}, \
         {{name: hello, cron: '@hourly', action: greet_customers}}"
    );
    let model = compiled(&schedule(&written)).model;
    assert!(model.uses_jobs, "a worker is needed to call it");
    let [nightly, hello] = &model.schedules[..] else { panic!("{:?}", model.schedules) };
    assert_eq!((nightly.name.as_str(), nightly.wrapper.as_str(), nightly.catch_up), ("nightly", "tidy", CatchUp::All));
    assert_eq!(
        (hello.wrapper.as_str(), hello.timezone.as_str(), hello.catch_up),
        ("greet_customers", "UTC", CatchUp::One)
    );
    let object =
        sql::schema(&model).objects.into_iter().find(|object| object.name == "schedule Order.nightly").unwrap();
    assert_eq!(object.unmake(), ["DELETE FROM jobs.tb_schedule WHERE key = 'Order.nightly'"]);
    assert_eq!(
        object.create().concat(),
        r#"INSERT INTO jobs.tb_schedule AS s (key, entity_type, name, wrapper, cron, timezone, input, catch_up, tenants_schema, tenants_table)
VALUES (
    'Order.nightly',
    'Order',
    'nightly',
    'tidy',
    '30 2 * * MON-FRI',
    'Europe/Berlin',
    '{"at_most":-5,"customer":null,"extra":{"a":[1,true]},"kind":"short","price":"1.50","since":"2026-01-31","tags":["x"]}'::jsonb,
    'all',
    NULL,
    NULL
)
ON CONFLICT (key) DO UPDATE SET
    entity_type = EXCLUDED.entity_type,
    name = EXCLUDED.name,
    wrapper = EXCLUDED.wrapper,
    cron = EXCLUDED.cron,
    timezone = EXCLUDED.timezone,
    input = EXCLUDED.input,
    catch_up = EXCLUDED.catch_up,
    tenants_schema = EXCLUDED.tenants_schema,
    tenants_table = EXCLUDED.tenants_table,
    counted_to = CASE
        WHEN (s.cron, s.timezone) = (EXCLUDED.cron, EXCLUDED.timezone) THEN s.counted_to
        ELSE EXCLUDED.counted_to
    END"#
    );
}

/// Bills of companies, with these schedules; an action of everybody's reads them, too.
fn tenants(domains: &str, schedules: &str) -> Result<Vec<Option<String>>, Vec<String>> {
    let file = |path: &str, text: &str, kind| SourceFile { path: path.to_owned(), text: text.to_owned(), kind };
    let bill = format!(
        "entity: Bill\nschema: sales\nfields: {{note: text}}\nschedules: [{schedules}]\nactions: [{{name: remember, steps: [{{insert: Bill}}]}}]\n"
    );
    let company = "entity: Company\nschema: crm\nactions:\n  - {name: greet, steps: [{reject: hello}]}\n  - {name: count_all, steps: [{foreach: bill in find Bill, do: [{reject: one}]}]}\n---\nentity: Person\nschema: crm\n";
    let sources = Sources::new(vec![
        file("entities/bill.yaml", &bill, SourceKind::Entities),
        file("entities/company.yaml", company, SourceKind::Entities),
        file("entities/note.yaml", "entity: Note\nschema: wiki\n", SourceKind::Entities),
        file("registry/domain_registry.yaml", &format!("domains: {{{domains}}}\n"), SourceKind::Registry),
    ]);
    let compilation = compile(&sources);
    if compilation.has_errors() {
        let errors = compilation.diagnostics.iter().map(|one| {
            let help = one.help.as_deref().unwrap_or_default();
            format!("{} {} | {help}", one.rule.code, one.message)
        });
        return Err(errors.collect());
    }
    let model = &compilation.model;
    Ok(model.schedules.iter().map(|one| one.tenants.map(|entity| model.entity(entity).name.clone())).collect())
}

#[test]
fn a_schedule_of_a_tenants_action_is_run_for_each_row_of_the_entity_that_the_domain_names() {
    let each =
        "{name: a, cron: '@daily', action: remember, for_each_tenant: true}, {name: b, cron: '@daily', action: greet}";
    let company = Some("Company".to_owned());
    let found = tenants("crm: {}, wiki: {}, sales: {multi_tenant: true, tenants: Company}", each);
    assert_eq!(found, Ok(vec![company.clone(), None]));

    // An action of everybody's schema: whose tenants are meant is clear where all domains name the same.
    let shared = "{name: a, cron: '@daily', action: count_all, for_each_tenant: true}";
    let both = |other: &str| {
        format!(
            "crm: {{}}, sales: {{multi_tenant: true, tenants: crm.Company}}, wiki: {{multi_tenant: true, tenants: {other}}}"
        )
    };
    assert_eq!(tenants(&both("Company"), shared), Ok(vec![company]));
    assert_eq!(
        tenants(&both("Person"), shared),
        Err(vec!["SQ0234 nothing says which tenants there are | name one entity whose rows are the tenants in the domain registry, under `tenants` of the multi-tenant domains".to_owned()])
    );
}

#[test]
fn tenants_that_nothing_names_or_that_cannot_be_listed_are_refused_once() {
    let each = "{name: a, cron: '@daily', action: remember, for_each_tenant: true}";
    for (domains, schedules, expected) in [
        (
            "crm: {}, wiki: {}, sales: {multi_tenant: true}",
            each,
            "SQ0234 nothing says which tenants there are | name the entity whose rows are the tenants in the domain registry: `sales: {multi_tenant: true, tenants: …}`",
        ),
        (
            "crm: {}, wiki: {}, sales: {multi_tenant: true, tenants: Compnay}",
            each,
            "SQ0139 unknown entity `Compnay` | did you mean `Company`?",
        ),
        (
            "crm: {}, wiki: {}, sales: {multi_tenant: true, tenants: Bill}",
            each,
            "SQ0154 rows of `Bill` belong to tenants and cannot be the tenants | name an entity of a schema that is not multi-tenant; `sales` is",
        ),
        (
            "crm: {}, wiki: {tenants: Company}, sales: {multi_tenant: true, tenants: Company}",
            each,
            "SQ0154 the schema `wiki` has no tenants | say `multi_tenant: true` of `wiki` too, or leave `tenants` out",
        ),
        (
            "crm: {}, wiki: {}, sales: {multi_tenant: true, tenants: Company}",
            "{name: a, cron: '@daily', action: greet, for_each_tenant: true}",
            "SQ0234 `greet` works for no tenant: each call would do the same | leave `for_each_tenant` out",
        ),
        (
            "crm: {}, wiki: {}, sales: {multi_tenant: true, tenants: Company}",
            "{name: a, cron: '@daily', action: remember}",
            "SQ0234 `remember` works for one tenant, and a schedule has none | the schema `sales` is multi-tenant; `for_each_tenant: true` runs it for each of them",
        ),
    ] {
        assert_eq!(tenants(domains, schedules), Err(vec![expected.to_owned()]), "{domains} {schedules}");
    }
}

#[test]
fn a_schedule_calls_no_action_of_a_tenant() {
    let file = |path: &str, text: String, kind| SourceFile { path: path.to_owned(), text, kind };
    let schedules = "{name: a, cron: '@daily', action: greet_customers}, {name: b, cron: '@daily', action: tidy, input: {kind: \"short\"}}";
    let text = schedule(schedules).replace("customer: ref(Customer), ", "");
    let domains = "domains: {sales: {multi_tenant: true}}\n".to_owned();
    let sources = Sources::new(vec![
        file("entities/order.yaml", text, SourceKind::Entities),
        file("registry/domain_registry.yaml", domains, SourceKind::Registry),
    ]);
    let compilation = compile(&sources);
    let [found] = &compilation.diagnostics[..] else { panic!("{:?}", compilation.diagnostics) };
    assert_eq!((found.rule.code, sources.line_column(found.span.file, found.span.start)), ("SQ0234", (4, 99)));
    assert_eq!(found.message, "`tidy` works for one tenant, and a schedule has none");
    assert_eq!(compilation.model.schedules.len(), 1);
}
