//! Rows of an action in the callbacks of its calls.

use super::said;

/// An order whose action has these steps before a call, and a callback of that call with these.
fn project(before: &str, callback: &str, elsewhere: &str) -> String {
    let at =
        |text: &str, by: usize| -> String { text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect() };
    format!(
        "\
entity: Order
schema: sales
fields: {{label: text!, note: text, customer: ref(Customer)}}
actions:
  - name: act
    input: {{id: uuid!, words: text, many: list(text)}}
    steps:
{}      - call_service:
          service: slack
          operation: post_message
          input: {{channel: \"x\", text: \"y\"}}
          as: told
          on_success:
{}  - name: other
    steps:
{}---
entity: Customer
schema: sales
fields: {{name: text!, nick: text, payer: {{type: ref(Customer), on_delete: cascade}}}}
",
        at(before, 6),
        at(callback, 12),
        at(elsewhere, 6)
    )
}

fn says(before: &str, callback: &str) -> Vec<String> {
    said(&project(before, callback, "- update: Order SET note = 'x'"))
}

const FIND: &str = "- find: Customer WHERE name = $input.words\n  as: payer";
const USE: &str = "- update: Order SET label = $payer.name";

#[test]
fn a_row_that_a_step_has_bound_is_there_as_it_was_declared() {
    assert_eq!(says(FIND, USE), [""; 0]);
    assert_eq!(says("- insert: Customer\n  values: {name: \"x\"}\n  as: payer", USE), [""; 0]);
    assert_eq!(says(FIND, "- update: Customer SET nick = $payer.name || 'x' WHERE id = $payer"), [""; 0]);
    assert_eq!(says(FIND, "- if: $payer.nick = 'x'\n  then: [{update: Order SET label = $payer.nick}]"), [""; 0]);
    assert_eq!(says(FIND, "- update: Order SET customer = $payer, note = $payer.payer.name"), [""; 0]);
    let nullable = says(FIND, "- update: Order SET label = $payer.nick");
    assert!(nullable.len() == 1 && nullable[0].contains("SQ0304"), "{nullable:?}");
}

#[test]
fn what_is_known_of_a_row_when_the_call_is_queued_is_not_known_when_it_ends() {
    let asked = format!("{FIND}\n- validate: $payer.nick IS NOT NULL");
    let said = says(&asked, "- update: Order SET label = $payer.nick");
    assert!(said.len() == 1 && said[0].contains("SQ0304"), "{said:?}");
}

#[test]
fn a_row_that_may_not_have_been_found_is_asked_for_first() {
    let optional = format!("{FIND}\n  optional: true");
    let said = says(&optional, USE);
    assert!(said.len() == 1 && said[0].contains("SQ0304"), "{said:?}");
    assert_eq!(says(&optional, "- if: $payer IS NOT NULL\n  then: [{update: Order SET label = $payer.name}]"), [""; 0]);
    // That it was found is known before the call.
    assert_eq!(says(&format!("{optional}\n- validate: $payer IS NOT NULL"), USE), [""; 0]);
}

#[test]
fn where_the_project_removes_rows_of_the_entity_a_row_may_be_gone() {
    let with = |elsewhere: &str, callback: &str| said(&project(FIND, callback, elsewhere));
    let removes = "- delete: Customer WHERE nick = 'x'\n  hard: true";
    let gone = with(removes, USE);
    assert!(gone.len() == 1 && gone[0].contains("SQ0304"), "{gone:?}");
    assert_eq!(with(removes, "- if: $payer IS NOT NULL\n  then: [{update: Order SET label = $payer.name}]"), [""; 0]);
    assert_eq!(with(removes, "- update: Customer SET nick = 'x' WHERE id = $payer.id"), [""; 0]);
    assert_eq!(with("- delete: Customer WHERE nick = 'x'", USE), [""; 0], "they are still in the table");
}

#[test]
fn a_callback_in_a_callback_knows_the_row_and_a_name_of_its_own_hides_it() {
    let nested = |steps: &str| {
        format!(
            "- call_service:\n    service: slack\n    operation: post_message\n    input: {{channel: \"x\", text: \"y\"}}\n    \
             on_failure:\n{}",
            steps.lines().map(|line| format!("      {line}\n")).collect::<String>()
        )
    };
    assert_eq!(says(FIND, &nested(USE)), [""; 0]);
    let own =
        "- find: Order WHERE label = 'x'\n  as: payer\n- update: Order SET label = $payer.label WHERE id = $payer.id";
    assert!(says(FIND, own).iter().all(|line| line.contains("SQ0214")), "a warning of a lost update, and no error");
    let mixed = says(FIND, &format!("{own}\n{}", nested(USE)));
    assert!(
        mixed.iter().any(|line| line.contains("SQ0140 `Order` has no field `name`")),
        "an order has none: {mixed:?}"
    );
}

#[test]
fn values_inputs_and_rows_that_no_step_has_bound_are_not_there() {
    let refused = |before: &str, callback: &str, part: &str| {
        let said = says(before, callback);
        assert!(said.len() == 1 && said[0].contains("SQ0302") && said[0].contains(part), "{callback}: {said:?}");
    };
    refused(FIND, "- update: Order SET note = $input.words", "`$input` is not available here");
    refused(FIND, "- update: Order SET note = $payr.name", "did you mean `$payer`?");
    refused(FIND, "- update: Order SET note = concat($told.job_id)", "`$told` is not available here");
    refused("- if: note = 'x'\n  then:\n    - find: Customer WHERE name = 'x'\n      as: payer", USE, "payer");
    let said = said(
        "\
entity: Order
schema: sales
fields: {note: text}
actions:
  - name: act
    input: {id: uuid!, many: list(text)}
    steps:
      - foreach: word in $input.many
        do:
          - call_service:
              service: slack
              operation: post_message
              input: {channel: \"x\", text: $word}
              on_success:
                - update: Order SET note = $word
",
    );
    assert!(said.len() == 1 && said[0].contains("`$word` is not available here"), "{said:?}");
}
