//! Quotes decide: what is a text, what an expression, and what is said where somebody may have meant the other.

use pretty_assertions::assert_eq;

use super::{compiled, said};
use crate::{
    Compilation,
    model::{Expr, ExprKind, Return, Step, StepKind, expr::Literal},
    sql,
};

/// An order with these steps in its action `act`, and this before its actions.
fn order(before: &str, steps: &str) -> String {
    let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "\
entity: Order
schema: sales
fields: {{customer_email: email!, number: text!, note: text, total: 'decimal(12,2)!', day: date!, at: timestamp!, place: SimpleAddress, customer: ref(Customer)!, paid: boolean!, state: 'enum(open, done)', sent_at: timestamp, tags: list(text), document: json}}
{before}actions:
  - name: act
    steps:
{indented}  - name: tidy
    input: {{word: text!}}
    steps: [{{reject: no}}]
---
entity: Customer
schema: sales
fields: {{name: text!}}
"
    )
}

/// What is written for an expression: its tree in a few letters.
fn shown(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Literal(Literal::Text(text)) => format!("text {text}"),
        ExprKind::Literal(other) => format!("{other:?}"),
        ExprKind::Call { function, args } => {
            format!("{function}({})", args.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        ExprKind::TextOf(inner) => format!("text of {}", shown(inner)),
        ExprKind::VarColumn { .. } => "column".to_owned(),
        _ => "expression".to_owned(),
    }
}

/// What stands at a place of the language when `written` is there, with what is said besides.
fn at(place: &str, written: &str) -> (String, Vec<String>) {
    let call = "- call_service: {service: sendgrid, operation: send_email, input: {to: $order.customer_email, from: $order.customer_email, text: \"t\", subject: ";
    let plain = "- call_service: {service: sendgrid, operation: send_email, input: {to: $order.customer_email, from: $order.customer_email, text: \"t\", subject: \"s\"}, ";
    let (before, steps) = match place {
        "input" => (String::new(), format!("{call}{written}}}}}")),
        "values" => (String::new(), format!("- insert: Customer\n  values: {{name: {written}}}\n  as: made")),
        "set" => (String::new(), format!("- update: Order\n  set: {{number: {written}}}")),
        "schedule" => (
            format!("schedules: [{{name: a, cron: '@daily', action: tidy, input: {{word: {written}}}}}]\n"),
            "- reject: no".to_owned(),
        ),
        "list" => (String::new(), format!("- update: Order\n  set: {{tags: [$order.number, {written}]}}")),
        "object" => {
            (String::new(), format!("- update: Order\n  set: {{document: {{a: $order.number, b: {written}}}}}"))
        }
        "return" => (String::new(), format!("- update: Order SET note = 'x'\n- return: {written}")),
        "message" => (String::new(), format!("- validate: $order.paid\n  message: {written}")),
        setting => (String::new(), format!("{plain}{setting}: {written}}}")),
    };
    let text = order(&before, &steps);
    let lines = said(&text);
    if lines.iter().any(|line| !line.contains("SQ0309")) {
        return ("refused".to_owned(), lines);
    }
    let compilation = compiled(&text);
    if place == "schedule" {
        return (format!("text {}", compilation.model.schedules[0].input["word"].as_str().unwrap()), lines);
    }
    let steps = acted(&compilation);
    let found = match &steps.last().unwrap().kind {
        StepKind::CallService(call) => match place {
            "input" => shown(&call.input.iter().find(|(name, _)| name == "subject").unwrap().1),
            "idempotency_key" => shown(call.idempotency_key.as_ref().unwrap()),
            _ => shown(call.correlation.as_ref().unwrap()),
        },
        StepKind::Insert { values, .. } => shown(&values[0].value),
        StepKind::Update { set, .. } => match &set[0].value.kind {
            ExprKind::List(elements) => shown(&elements[1]),
            ExprKind::Object { fields, .. } => shown(&fields[1].1),
            _ => shown(&set[0].value),
        },
        StepKind::Return(Return::Message(value)) => shown(value),
        StepKind::Validate { message, .. } => shown(message.as_ref().unwrap()),
        other => panic!("{other:?}"),
    };
    (found, lines)
}

/// The steps of the action.
fn acted(compilation: &Compilation) -> &[Step] {
    let order = compilation.model.entities.iter().find(|entity| entity.name == "Order").unwrap();
    &order.actions.iter().find(|action| action.name == "act").unwrap().steps
}

/// Places where a value stands; all but a schedule's may be computed.
const VALUES: [&str; 8] =
    ["input", "values", "set", "schedule", "list", "object", "idempotency_key", "correlation_field"];

#[test]
fn at_every_place_of_a_value_quotes_make_a_text() {
    for place in VALUES {
        for written in ["\"Receipt\"", "'Receipt'"] {
            assert_eq!(at(place, written), ("text Receipt".to_owned(), Vec::new()), "{place}: {written}");
        }
        assert_eq!(at(place, "\"lower(note)\"").0, "text lower(note)", "{place}");
        let (found, lines) = at(place, "Receipt");
        let line = &lines[0];
        assert!(
            found == "refused" && (line.contains("a text in quotes") || line.contains("`\"Receipt\"`")),
            "{place}: {lines:?}"
        );
        assert_eq!(at(place, "Your receipt").0, "refused", "{place}");
    }
}

#[test]
fn at_every_place_of_a_value_that_may_be_computed_a_text_holds_values() {
    for place in VALUES.iter().filter(|place| **place != "schedule").chain(&["return", "message"]) {
        let (found, lines) = at(place, "\"Order {$order.number} of {$order.total}\"");
        assert_eq!(found, "concat(text Order , column, text  of , text of column)", "{place}: {lines:?}");
        assert!(lines.is_empty(), "{place}: {lines:?}");
        assert_eq!(at(place, "'{$order.number}'").0, "column", "{place}");
        assert_eq!(at(place, "\"{{$order.number}\"").0, "text {$order.number}", "{place}");
    }
    for place in VALUES.iter().filter(|place| **place != "schedule") {
        assert_eq!(at(place, "$order.number"), ("column".to_owned(), Vec::new()), "{place}");
        assert_eq!(
            at(place, "{$expr: \"concat('a, b # c: ', $order.number)\"}").0,
            "concat(text a, b # c: , column)",
            "{place}"
        );
        assert_eq!(at(place, "{$expr: $order.number}").0, "column", "{place}");
        assert_eq!(at(place, "lower($order.number)").0, "lower(column)", "{place}");
    }
}

#[test]
fn a_clause_is_an_expression_in_quotes_or_not() {
    for quote in ["", "\"", "'"] {
        let clause = |text: &str| format!("{quote}{text}{quote}");
        for steps in [
            format!("- validate: {}", clause("$order.total > 0")),
            format!("- if: {}\n  then: [{{reject: no}}]", clause("paid")),
            format!("- update: Order\n  set: {{note: null}}\n  where: {}", clause("total > 1")),
            format!("- find: {}\n  as: found", clause("Order WHERE total > 1")),
            format!("- foreach: {}\n  do: [{{update: Order SET note = number}}]", clause("tag in $order.tags")),
            format!("- call: {}", clause("tidy(word = $order.number)")),
        ] {
            assert_eq!(said(&order("", &steps)), [""; 0], "{steps}");
        }
    }
}

#[test]
fn a_block_scalar_is_a_text() {
    let text = "- update: Order\n  set:\n    number: |\n      Dear {$order.customer.name},\n      thank you.\n    note: >\n      $order.total";
    let compilation = compiled(&order("", text));
    let StepKind::Update { set, .. } = &acted(&compilation)[0].kind else { panic!("an update") };
    assert_eq!(shown(&set[0].value), "concat(text Dear , expression, text ,\nthank you.\n)");
    assert_eq!(shown(&set[1].value), "text $order.total\n");
}

#[test]
fn what_looks_like_the_other_is_shown_as_what_it_is() {
    for (written, help) in [
        ("\"'ops'\"", "for the text `ops` write `\"ops\"`"),
        ("\"$order.number\"", "for its value write it without quotes: `$order.number`"),
        ("\"concat('a', note)\"", "for its value write it without quotes: `concat('a', note)`"),
    ] {
        let (found, lines) = at("set", written);
        assert!(found.starts_with("text "), "{written}: {found}");
        assert!(lines.len() == 1 && lines[0].contains("SQ0309") && lines[0].contains(help), "{written}: {lines:?}");
    }
    for fine in ["\"it's 5 o'clock\"", "\"total\"", "\"US$ 5\"", "\"a - b\"", "\"Refund (in part)\""] {
        assert_eq!(at("set", fine).1, [""; 0], "{fine}");
    }
}

#[test]
fn what_has_no_place_in_a_text_is_refused() {
    for (written, expected) in [
        (
            "\"{$order.note}\"",
            "SQ0304 this may be NULL, and a text has no place for that | say what stands there then: `{$order.note ?? none}`",
        ),
        ("\"{$order.place}\"", "SQ0303 a text cannot hold"),
        ("\"{$order.document}\"", "SQ0303 a text cannot hold"),
        ("\"{$order.tags}\"", "SQ0303 a text cannot hold"),
        ("\"{$order.numbr}\"", "SQ0140"),
        ("\"{$order.total\"", "SQ0301 this `{$` has no closing `}`"),
        ("\"{$order.total * 2}\"", "SQ0301 between `{` and `}` stands one path and nothing else"),
        (
            "2026-01-31",
            "SQ0301 `2026-01-31` without quotes is a subtraction | a date stands in quotes: `\"2026-01-31\"`",
        ),
        (
            "Thank you",
            "SQ0301 `Thank you` is neither an expression nor a text | a text stands in quotes: `\"Thank you\"`",
        ),
    ] {
        let (found, lines) = at("set", written);
        assert!(found == "refused" && lines.iter().any(|line| line.contains(expected)), "{written}: {lines:?}");
    }
    let (found, _) = at("set", "\"[{$order.note ?? none at all}{$order.note ??}]\"");
    assert_eq!(found, "concat(text [, coalesce(column, text none at all), coalesce(column, text ), text ])");
}

#[test]
fn a_constant_of_a_narrower_type_stands_in_quotes() {
    let fits = "- update: Order\n  set: {state: \"done\", customer_email: 'ada@example.eu', day: \"2026-01-31\", at: '2026-01-31T12:00:00Z'}";
    assert_eq!(said(&order("", fits)), [""; 0]);
    let fails = said(&order(
        "",
        "- update: Order\n  set: {state: \"gone\"}\n- update: Order\n  set: {customer_email: \"ada\"}",
    ));
    assert!(fails.len() == 2 && fails.iter().all(|line| line.contains("SQ0306")), "{fails:?}");
}

#[test]
fn a_message_of_notify_holds_values() {
    let text = order("", "- notify: admins(orders, \"Order {$order.number}, {$order.day}\")");
    let sql = sql::schema(&compiled(&text).model).render();
    assert!(sql.contains("concat('Order ', v_order.number, ', ', to_jsonb(v_order.day) #>> '{}')"), "{sql}");
}

#[test]
fn a_backfill_is_computed_from_the_rows_other_fields_and_nothing_else() {
    let project = |backfill: &str| {
        format!(
            "entity: Order\nschema: sales\nfields:\n  number: text!\n  note: text\n  customer: ref(Customer)!\n  \
             label: {{type: text!, backfill: {backfill}}}\n---\nentity: Customer\nschema: sales\nfields: {{name: text!}}\n"
        )
    };
    for (backfill, sql) in [
        ("(number || '!')", "t.number || '!'"),
        ("\"No. {$order.number}\"", "concat('No. ', t.number)"),
        ("\"none\"", "'none'"),
        ("$order.customer.name", "(SELECT f.name FROM sales.tb_customer AS f WHERE f.pk_customer = t.fk_customer)"),
    ] {
        let schema = sql::schema(&compiled(&project(backfill)).model);
        assert_eq!(schema.backfills["sales.tb_order.label"], sql, "{backfill}");
    }
    for (backfill, expected) in [
        ("note", "SQ0304 this may be NULL, but the field `label` is required"),
        ("$input.label", "SQ0302"),
        ("$customer.name", "SQ0302"),
        ("Unknown", "SQ0302"),
        ("5", "SQ0303"),
    ] {
        let lines = said(&project(backfill));
        assert!(lines.iter().any(|line| line.contains(expected)), "{backfill}: {lines:?}");
    }
    // What is filled itself may be NULL while others are filled: in its own row, and in one that a reference leads to.
    for backfill in ["label", "(code || '!')", "$order.customer.name"] {
        let filled = project(backfill)
            .replace("  label:", "  code: {type: text!, backfill: \"none\"}\n  label:")
            .replace("fields: {name: text!}", "fields:\n  name: {type: text!, backfill: \"none\"}");
        let lines = said(&filled);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("SQ0141") && lines[0].contains("is filled by a `backfill:` itself"), "{lines:?}");
    }
    let optional = project("\"none\"").replace("type: text!, backfill", "type: text, backfill");
    assert!(said(&optional)[0].contains("SQ0141 `label` may be NULL"), "{:?}", said(&optional));
}
