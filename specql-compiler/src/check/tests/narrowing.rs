//! What is known not to be NULL, where, and until when.

use super::said;

/// An order whose action has these steps. `note` and the inputs `words` and `person` may be NULL; `label` may not.
fn project(steps: &str) -> String {
    let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "\
entity: Order
schema: sales
fields: {{label: text!, note: text, memo: text, total: integer, customer: ref(Customer)}}
functions: {{stir: {{returns: boolean!}}, look: {{returns: boolean!, volatility: stable}}}}
actions:
  - name: touch_customers
    steps:
      - update: Customer SET nick = NULL WHERE nick = 'x'
  - name: act
    input: {{id: uuid!, words: text, person: ref(Customer), many: list(text), flag: boolean}}
    steps:
{indented}---
entity: Customer
schema: sales
fields: {{name: text!, nick: text, home: SimpleAddress}}
---
entity: Copy
schema: sales
fields: {{label: text!}}
"
    )
}

/// Whether the steps are taken as they are; else a value may be NULL and nothing else is wrong.
fn narrows(steps: &str) -> bool {
    let said = said(&project(steps));
    assert!(said.iter().all(|line| line.contains("SQ0304")), "{steps}\n{said:#?}");
    said.is_empty()
}

const USE_NOTE: &str = "- update: Order SET label = $order.note";
const USE_WORDS: &str = "- update: Order SET label = $input.words";

/// `condition`, then a step that needs a value.
fn after_validate(condition: &str, needs: &str) -> bool {
    narrows(&format!("- validate: {condition}\n{needs}"))
}

#[test]
fn a_validated_value_is_there_in_the_steps_after_it() {
    for condition in [
        "$input.words IS NOT NULL",
        "NOT ($input.words IS NULL)",
        "$input.words IS NOT NULL AND $order.total > 0",
        "$order.total > 0 AND ($order.note = 'a' AND $input.words IS NOT NULL)",
        "NOT ($input.words IS NULL OR $order.total > 0)",
        "$input.words = 'x'",
        "$input.words <> $order.note",
        "$input.words LIKE 'a%'",
        "$input.words NOT IN ('a', $order.note)",
        "NOT $input.words BETWEEN 'a' AND 'b'",
        "$input.words || $order.note IS NOT NULL",
    ] {
        assert!(after_validate(condition, USE_WORDS), "{condition}");
    }
    for condition in [
        "1 = 1",
        "$input.words IS NULL",
        "$input.words IS NOT NULL OR $order.total > 0",
        "NOT ($input.words IS NULL AND $order.total > 0)",
        "$input.words IS NULL OR $input.words <> 'x'",
        "coalesce($input.words, 'x') = 'x'",
        "$order.label IN ('a', $input.words)",
        "NOT $order.label BETWEEN 'd' AND $input.words",
        "CASE WHEN $input.flag THEN $input.words = 'a' ELSE TRUE END",
        "$order.note IS NOT NULL",
    ] {
        assert!(!after_validate(condition, USE_WORDS), "{condition}");
    }
}

#[test]
fn whatever_a_path_reads_is_narrowed() {
    for (condition, needs) in [
        ("note IS NOT NULL", USE_NOTE),
        ("$order.note IS NOT NULL", "- update: Order SET label = note WHERE id = $order.id AND $order.note = label"),
        ("$order.note IS NOT NULL", "- insert: Copy\n  values: {label: $order.note}"),
        ("$order.note IS NOT NULL", "- insert: Copy\n  values: {label: \"{$order.note}!\"}"),
        ("$order.note IS NOT NULL", "- insert: Copy\n  values: {label: lower($order.note) || 'x'}"),
        ("$order.customer IS NOT NULL", "- update: Order SET label = $order.customer.name"),
        ("$order.customer.nick IS NOT NULL", "- update: Order SET label = $order.customer.name"),
        ("$order.customer.nick IS NOT NULL", "- update: Order SET label = $order.customer.nick"),
        ("$order.customer.home IS NOT NULL", "- update: Order SET label = $order.customer.home.city"),
        ("$order.customer.home.country IS NOT NULL", "- update: Order SET label = lower($order.customer.home.street)"),
        ("$input.person IS NOT NULL", "- update: Order SET label = $input.person.name"),
        (
            "$input.words IS NOT NULL",
            "- call_service: {service: slack, operation: post_message, input: {channel: \"#a\", text: $input.words}}",
        ),
        (
            "$order.note IS NOT NULL AND $order.total = 1",
            "- insert: Copy\n  values: {label: \"{$order.total}{$order.note}\"}",
        ),
    ] {
        let whole = needs.contains("label = note") || after_validate(condition, needs);
        assert!(whole, "{condition}: {needs}");
        assert!(!narrows(needs), "{needs} needs no condition");
    }
    // What is read is that row's column, and no other's.
    assert!(!after_validate("$order.note IS NOT NULL", "- update: Order SET label = memo"));
    assert!(!after_validate("$order.customer IS NOT NULL", "- update: Order SET label = $order.customer.nick"));
    assert!(!after_validate("$order.customer.nick IS NOT NULL", "- update: Order SET label = $input.person.nick"));
}

#[test]
fn in_a_statement_a_bare_name_is_each_rows_own() {
    assert!(!after_validate("note IS NOT NULL", "- update: Order SET label = note"));
    assert!(!after_validate("note IS NOT NULL", "- update: Order SET label = note WHERE label = 'x'"));
}

#[test]
fn a_branch_knows_on_which_side_of_the_condition_it_is() {
    let branches = |condition: &str, then: &str, otherwise: &str| {
        narrows(&format!("- if: {condition}\n  then: [{then}]\n  else: [{otherwise}]"))
    };
    let (uses, nothing) = ("update: Order SET label = $input.words", "update: Order SET memo = 'x'");
    assert!(branches("$input.words IS NOT NULL", uses, nothing));
    assert!(!branches("$input.words IS NOT NULL", nothing, uses));
    assert!(branches("$input.words IS NULL", nothing, uses));
    assert!(!branches("$input.words IS NULL", uses, nothing));
    assert!(branches("$input.words IS NULL OR $input.flag", nothing, uses));
    // NULL is not true, so the `else` of a comparison does not know.
    assert!(branches("$input.words = 'x'", uses, nothing));
    assert!(!branches("$input.words <> 'x'", nothing, uses));
    assert!(!branches("NOT ($input.words = 'x')", nothing, uses));
    assert!(branches("NOT ($input.words IS NOT NULL)", nothing, uses));
}

#[test]
fn after_a_branch_is_known_what_holds_on_each_way_that_goes_on() {
    let after = |branch: &str| narrows(&format!("{branch}\n{USE_WORDS}"));
    assert!(after("- if: $input.words IS NULL\n  then: [reject: no_words]"));
    assert!(after("- if: $input.words IS NULL\n  then: [return: Nothing to do]"));
    assert!(after(
        "- if: $input.words IS NOT NULL\n  then: [{update: Order SET memo = 'x'}]\n  else: [reject: no_words]"
    ));
    assert!(after(
        "- if: $input.flag\n  then: [validate: $input.words <> 'x']\n  else: [validate: $input.words = 'y']"
    ));
    assert!(!after("- if: $input.flag\n  then: [validate: $input.words <> 'x']"));
    assert!(!after("- if: $input.words IS NULL\n  then: [{update: Order SET memo = 'x'}]"));
    assert!(!after("- if: $input.words IS NOT NULL\n  then: [{update: Order SET memo = 'x'}]"));
    assert!(!after("- if: $input.words IS NULL\n  then:\n    - if: $input.flag\n      then: [reject: no_words]"));
    assert!(after(
        "- if: $input.words IS NULL\n  then:\n    - if: $input.flag\n      then: [reject: no_words]\n      else: [reject: nothing]"
    ));
}

#[test]
fn a_row_that_may_not_be_there_is_found_by_what_is_known_of_it() {
    let find = "- find: Customer WHERE nick = 'x'\n  as: found\n  optional: true\n";
    let uses = "- update: Order SET label = $found.name";
    assert!(!narrows(&format!("{find}{uses}")));
    for condition in ["$found IS NOT NULL", "$found.nick IS NOT NULL", "$found.name = 'x'", "NOT ($found IS NULL)"] {
        assert!(narrows(&format!("{find}- validate: {condition}\n{uses}")), "{condition}");
    }
    assert!(narrows(&format!("{find}- if: $found IS NULL\n  then: [reject: none]\n{uses}")));
    // Found is found, whatever is changed since.
    let change = "- update: Customer SET nick = 'y' WHERE nick = 'x'\n";
    assert!(narrows(&format!("{find}- validate: $found.nick IS NOT NULL\n{change}{uses}")));
    let nick = "- update: Order SET label = $found.nick";
    assert!(!narrows(&format!("{find}- validate: $found.nick IS NOT NULL\n{change}{nick}")));
    // Not found, or not an 'x': nobody knows.
    assert!(!narrows(&format!("{find}- if: $found.name = 'x'\n  then: [reject: taken]\n{uses}")));
}

#[test]
fn it_ends_when_a_step_may_change_the_row() {
    let with =
        |condition: &str, between: &str, needs: &str| narrows(&format!("- validate: {condition}\n{between}\n{needs}"));
    let note = |between: &str| with("$order.note IS NOT NULL", between, USE_NOTE);
    for between in [
        "- update: Order SET memo = 'x'",
        "- update: Order SET note = 'x'",
        "- update: Order SET note = $input.words || 'x' WHERE $input.words = 'y' AND id <> $order.id\n- validate: $order.note <> ''",
        "- update: Customer SET nick = 'x' WHERE nick = 'y'",
        "- call: touch_customers()",
        "- insert: Copy\n  values: {label: 'x'}\n  as: copy",
        "- validate: look()",
        "- foreach: word in $input.many\n  do: [{validate: $word <> ''}]",
        "- if: $input.flag\n  then: [{update: Order SET memo = 'x'}]",
    ] {
        assert!(note(between), "{between}");
    }
    for between in [
        "- update: Order SET note = $input.words",
        "- update: Order SET note = NULL",
        "- update: Order SET note = NULL WHERE label = 'x'",
        "- delete: Order WHERE label = 'x'",
        "- validate: stir()",
        "- if: stir()\n  then: [{validate: 1 = 1}]",
        "- if: $input.flag\n  then: [{update: Order SET note = NULL}]",
        "- if: $input.flag\n  then: [{validate: 1 = 1}]\n  else: [{update: Order SET note = NULL}]",
        "- foreach: word in $input.many\n  do: [{update: Order SET note = NULL}]",
    ] {
        assert!(!note(between), "{between}");
    }
    let nick = |between: &str| {
        with("$order.customer.nick IS NOT NULL", between, "- update: Order SET label = $order.customer.nick")
    };
    assert!(nick("- validate: $order.total > 0"));
    assert!(!nick("- call: touch_customers()"));
    assert!(!nick("- update: Customer SET nick = NULL WHERE nick = 'y'"));
    assert!(!nick("- update: Order SET customer = $input.person"));
    assert!(nick("- update: Order SET memo = 'x'"));
    assert!(!nick("- update: Order SET memo = 'x' WHERE label = 'y'"));
    // An input is no row.
    assert!(with("$input.words IS NOT NULL", "- validate: stir()\n- call: touch_customers()", USE_WORDS));
}

#[test]
fn a_condition_that_changes_rows_says_nothing_of_them() {
    assert!(!after_validate("$order.note IS NOT NULL AND stir()", USE_NOTE));
    assert!(!narrows("- if: $order.note IS NOT NULL AND stir()\n  then: [{update: Order SET label = $order.note}]"));
    assert!(after_validate("$input.words IS NOT NULL AND stir()", USE_WORDS));
}

#[test]
fn a_round_of_a_loop_knows_what_no_round_changes() {
    let rounds = |steps: &str| {
        narrows(&format!("- validate: $order.note IS NOT NULL\n- foreach: word in $input.many\n  do: [{steps}]"))
    };
    // Without functions that may do anything.
    let needs = "{insert: Copy, values: {label: $order.note}, as: copy}";
    let calm = |steps: &str| {
        let text =
            project(&format!("- validate: $order.note IS NOT NULL\n- foreach: word in $input.many\n  do: [{steps}]"))
                .replace("functions: {stir: {returns: boolean!}, look", "functions: {look");
        said(&text).is_empty()
    };
    assert!(calm(needs));
    assert!(calm(&format!("{needs}, {{update: Customer SET nick = NULL WHERE nick = 'x'}}")));
    assert!(!calm(&format!("{needs}, {{update: Order SET note = NULL}}")));
    assert!(!calm(&format!("{needs}, {{if: $input.flag, then: [{{delete: Order WHERE label = 'x'}}]}}")));
    assert!(calm(&format!("{needs}, {{call: touch_customers()}}")));
    assert!(rounds("{validate: $order.note <> ''}, {insert: Copy, values: {label: $order.note}, as: copy}"));
    // What a round has found out is not known after the loop: there may have been none.
    let after = "- foreach: word in $input.many\n  do: [{validate: $input.words IS NOT NULL}]";
    assert!(!narrows(&format!("{after}\n{USE_WORDS}")));
}

#[test]
fn a_row_that_was_looked_for_is_as_the_condition_says() {
    let uses = "{insert: Copy, values: {label: $found.nick}, as: copy}";
    let found =
        |condition: &str, more: &str| narrows(&format!("- find: Customer{condition}\n  as: found\n{more}- {uses}"));
    assert!(found(" WHERE nick IS NOT NULL", ""));
    assert!(found(" WHERE nick = $input.words AND id = $order.customer", ""));
    assert!(!found(" WHERE name = 'x'", ""));
    assert!(!found(" WHERE nick IS NOT NULL AND stir()", ""));
    assert!(!found(" WHERE nick IS NOT NULL", "  optional: true\n"));
    assert!(!found(" WHERE nick IS NOT NULL", "- call: touch_customers()\n"));
    // What the condition compares it with is there, too.
    assert!(narrows(&format!("- find: Customer WHERE name = $input.words\n  as: found\n{USE_WORDS}")));

    let each =
        |steps: &str| narrows(&format!("- foreach: found in find Customer WHERE nick IS NOT NULL\n  do: [{steps}]"));
    assert!(each(uses));
    assert!(each(&format!("{uses}, {{update: Customer SET name = 'x'}}")));
    assert!(each(&format!("{uses}, {{update: Customer SET nick = NULL}}")));
    assert!(each(&format!("{{update: Customer SET name = 'x'}}, {uses}")));
    assert!(!each(&format!("{{update: Customer SET nick = NULL}}, {uses}")));
    assert!(!each(&format!("{uses}, {{update: Customer SET nick = NULL WHERE name = 'x'}}")));
    assert!(!each(&format!("{uses}, {{call: touch_customers()}}")));
    assert!(!each(&format!("{uses}, {{foreach: other in find Customer, do: [{{update: Customer SET nick = NULL}}]}}")));
}

#[test]
fn a_callback_knows_only_what_it_has_found_out_itself() {
    let call = |steps: &str| {
        narrows(&format!(
            "- validate: $order.note IS NOT NULL\n- call_service:\n    service: slack\n    operation: post_message\n    \
             input: {{channel: \"#a\", text: $order.note}}\n    on_success: [{steps}]"
        ))
    };
    assert!(!call("{update: Order SET label = $order.note}"));
    assert!(call("{validate: $order.note IS NOT NULL}, {update: Order SET label = $order.note}"));
    assert!(!call("{update: Order SET label = $output.ts}"));
    assert!(call("{if: $output.ts IS NOT NULL, then: [{update: Order SET label = $output.ts}]}"));
    assert!(call(
        "{if: $job.correlation_id IS NULL, then: [{reject: none}]}, {update: Order SET label = $job.correlation_id}"
    ));
}

#[test]
fn a_row_holds_what_a_step_has_just_given_it() {
    let insert = |values: &str, uses: &str| {
        narrows(&format!(
            "- insert: Customer\n  values: {{{values}}}\n  as: made\n- update: Order SET label = $made.nick WHERE {uses}"
        ))
    };
    assert!(insert("name: 'a', nick: 'b'", "id = $order.id"));
    assert!(!insert("name: 'a', nick: $input.words", "id = $order.id"));
    assert!(!insert("name: 'a'", "id = $order.id"));
}

/// The steps of an order whose references act when a row is removed, and of whose entity there are rows that go with it.
fn tied(steps: &str) -> bool {
    let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "\
entity: Order
schema: sales
fields:
  number: text!
  note: text
  parent: ref(Order)
  above: {{type: ref(Order), on_delete: set_null}}
  customer: {{type: ref(Customer), on_delete: set_null}}
  kid: ref(Kid)
  grandkid: {{type: ref(Grandkid), on_delete: set_null}}
actions:
  - name: hard_order
    steps: [{{delete: Order, hard: true}}]
  - name: remove_customer
    input: {{customer: uuid!}}
    steps: [{{delete: Customer WHERE id = $input.customer, hard: true}}]
  - name: remove_by_another
    input: {{customer: uuid!}}
    steps: [{{call: remove_customer(customer = $input.customer)}}]
  - name: act
    input: {{id: uuid!, words: text, many: list(text)}}
    steps:
{indented}---
entity: Customer
schema: sales
fields: {{name: text!, email: email}}
---
entity: Kid
schema: sales
fields: {{note: text, order: {{type: ref(Order), on_delete: cascade}}, owner: ref(Customer)!}}
---
entity: Grandkid
schema: sales
fields: {{note: text, kid: {{type: ref(Kid), on_delete: cascade}}}}
---
entity: Out
schema: sales
fields: {{words: text!}}
"
    );
    let said = said(&text);
    assert!(said.iter().all(|line| line.contains("SQ0304")), "{steps}\n{said:#?}");
    said.is_empty()
}

/// An insert that needs this value.
fn out(value: &str) -> String {
    format!("{{insert: Out, values: {{words: {value}}}}}")
}

#[test]
fn a_row_that_refers_to_one_that_is_removed_is_no_longer_what_it_was() {
    let name = out("$order.customer.name");
    let removal = "delete: Customer WHERE id = $order.customer\n  hard: true";
    let after = |between: &str| tied(&format!("- validate: $order.customer IS NOT NULL\n- {between}\n- {name}"));
    assert!(after("validate: 1 = 1"));
    assert!(after("delete: Customer WHERE id = $order.customer"), "it is hidden, and still there");
    assert!(after("delete: Out WHERE words = 'x'\n  hard: true"));
    assert!(after("delete: Grandkid WHERE note = 'x'\n  hard: true\n- validate: $order.customer IS NOT NULL"));
    assert!(!after("delete: Grandkid WHERE note = 'x'\n  hard: true"));
    assert!(!after(removal));
    assert!(!after("call: remove_customer(customer = $order.customer)"));
    assert!(!after("call: remove_by_another(customer = $order.customer)"));
    // Through two cascades and a `set_null`.
    assert!(!after("delete: Kid WHERE note = 'x'\n  hard: true"));
    let rounds = |more: &str| {
        tied(&format!(
            "- validate: $order.customer IS NOT NULL\n- foreach: word in $input.many\n  do: [{name}, {more}]"
        ))
    };
    assert!(rounds("{validate: 1 = 1}"));
    for more in [
        "{delete: Customer WHERE name = 'x', hard: true}",
        "{if: 1 = 1, then: [{delete: Kid WHERE note = 'x', hard: true}]}",
        "{call: remove_by_another(customer = $input.id)}",
    ] {
        assert!(!rounds(more), "{more}");
    }
    // The removal of a round's own row changes those of other rounds that refer to it.
    let own = |told: &str| {
        let uses = out(told);
        tied(&format!(
            "- foreach: o in find Order WHERE note IS NOT NULL\n  do: [{uses}, {{delete: Order, hard: true}}]"
        ))
    };
    assert!(own("$o.number"));
    assert!(!own("$o.note"));
}

#[test]
fn a_condition_means_by_a_name_the_row_that_had_it_before() {
    let number = out("$order.parent.number");
    assert!(!tied(&format!("- find: Order WHERE id = $order.parent\n- {number}")));
    assert!(!tied(&format!(
        "- find: Order WHERE $order.customer.email <> 'q@x.eu'\n- {}",
        out("$order.customer.email")
    )));
    assert!(tied(&format!("- find: Order WHERE id = $order.parent AND parent IS NOT NULL\n- {number}")));
    assert!(tied(&format!("- find: Order WHERE id = $order.parent\n  as: other\n- {number}")));
    let each = |condition: &str, value: &str| {
        tied(&format!("- foreach: dup in find Order WHERE {condition}\n  do: [{}]", out(value)))
    };
    assert!(!each("number = $order.note", "$dup.note"));
    assert!(!each("number = $order.note", "$order.note"));
    assert!(each("note = $order.number", "$dup.note"));
    assert!(each("number = $input.words", "$input.words"));
    // Without a round the condition was true of nothing.
    let uses = out("$input.words");
    let after = |told: &str| {
        tied(&format!("{told}- foreach: dup in find Order WHERE number = $input.words\n  do: [{uses}]\n- {uses}"))
    };
    assert!(after("- validate: $input.words IS NOT NULL\n"));
    assert!(!after(""));
}

#[test]
fn whoever_updates_a_row_may_be_nobody() {
    let text = |column: &str| out(&format!("\"{{$order.{column}}}\""));
    let after =
        |column: &str, step: &str| tied(&format!("- validate: {column} IS NOT NULL\n- {step}\n- {}", text(column)));
    let update = "update: Order SET note = 'x'";
    assert!(after("updated_by", "validate: 1 = 1"));
    assert!(!after("updated_by", update));
    assert!(!after("updated_by", &format!("if: number = 'x'\n  then: [{update}]")));
    assert!(!after("updated_by", "delete: Order"));
    assert!(!after("deleted_by", "delete: Order"));
    for column in ["created_by", "updated_at", "created_at"] {
        assert!(after(column, update), "{column}");
    }
    let each = |steps: &str| tied(&format!("- foreach: o in find Order WHERE updated_by IS NOT NULL\n  do: [{steps}]"));
    let uses = out("\"{$o.updated_by}\"");
    assert!(each(&format!("{uses}, {{{update}}}")));
    assert!(!each(&format!("{{{update}}}, {uses}")));
    // So may whoever inserts one.
    let inserted = "insert: Order\n  values: {number: 'x'}\n  as: made";
    for column in ["created_by", "updated_by"] {
        let uses = out(&format!("\"{{$made.{column}}}\""));
        assert!(!tied(&format!("- {inserted}\n- {uses}")));
    }
}

#[test]
fn a_row_that_may_have_been_removed_must_be_asked_for() {
    let number = out("$order.number");
    let remove = "delete: Order WHERE note = 'x'\n  hard: true";
    let own = "delete: Order\n  hard: true";
    let order = |steps: &str| tied(&format!("{steps}\n- {number}"));
    assert!(order("- delete: Order WHERE note = 'x'"), "hidden, and still there");
    assert!(order("- call: remove_customer(customer = $input.id)"));
    for removal in
        [remove, "call: hard_order(id = $input.id)", "if: note = 'x'\n  then: [{call: hard_order(id = $input.id)}]"]
    {
        assert!(!order(&format!("- {removal}")), "{removal}");
        assert!(!order(&format!("- validate: number <> 'x'\n- {removal}")), "{removal}");
        assert!(!order(&format!("- {removal}\n- update: Order SET number = 'x'")), "it may have updated none");
        assert!(!tied(&format!("- {removal}\n- {}", out("number"))), "{removal}");
        assert!(order(&format!("- {removal}\n- validate: $order IS NOT NULL")), "{removal}");
        assert!(order(&format!("- {removal}\n- validate: number <> 'x'\n- validate: 1 = 1")), "{removal}");
        assert!(!order(&format!("- {removal}\n- validate: $order IS NOT NULL\n- {removal}")), "{removal}");
        assert!(order(&format!("- {removal}\n- find: Order WHERE number = 'a'")), "{removal}");
    }
    assert!(order(&format!("- if: $order.note = 'x'\n  then: [{{{}}}, {{reject: gone}}]", remove.replace("\n ", ","))));
    // What a variable holds of its own row is known until it is read again.
    assert!(order(&format!("- {own}")));
    assert!(order(&format!("- {own}\n- delete: Out WHERE words = 'x'")));
    for again in ["update: Order SET note = 'x'", "delete: Order WHERE note = 'x'", "delete: Order", remove] {
        assert!(!order(&format!("- {own}\n- {again}")), "{again}");
    }
    assert!(!tied(&format!("- {own}\n- update: Order SET note = 'x'\n- {}", out("$order.note"))));
    assert!(!tied(&format!("- find: Order WHERE number = 'a'\n  as: same\n- {own}\n- {}", out("$same.number"))));
    // One that goes with another.
    let kid = |steps: &str| {
        tied(&format!("- find: Kid WHERE order = $order\n  as: kid\n- {steps}\n- {}", out("\"{$kid.id}\"")))
    };
    assert!(kid("validate: 1 = 1"));
    assert!(!kid(own));
}

#[test]
fn what_a_deleted_row_referred_to_may_have_been_removed_after_it() {
    let name = out("$kid.owner.name");
    let kid = |steps: &str| tied(&format!("- foreach: kid in find Kid\n  do: [{steps}{name}]"));
    let delete = "{delete: Kid, hard: true}, ";
    let owners = "{delete: Customer WHERE name = 'x', hard: true}, ";
    assert!(kid(""));
    assert!(kid(delete));
    assert!(kid(owners), "none to which a kid refers");
    let first = format!("{name}, {{delete: Kid, hard: true}}, {{delete: Customer WHERE name = 'x', hard: true}}, ");
    assert!(tied(&format!("- foreach: kid in find Kid\n  do: [{}]", first.trim_end_matches(", "))));
    assert!(!kid(&format!("{delete}{owners}")));
    assert!(!kid(&format!("{delete}{owners}{{validate: $kid IS NOT NULL}}, ")));
    assert!(kid(&format!("{delete}{owners}{{validate: $kid.owner.name <> 'x'}}, ")));
}

#[test]
fn a_row_that_was_found_may_have_been_removed_since() {
    let found = |more: &str| {
        tied(&format!(
            "- find: Customer WHERE name = 'x'\n  as: found\n  optional: true\n- validate: $found IS NOT NULL\n{more}- {}",
            out("$found.name")
        ))
    };
    assert!(found(""));
    assert!(found("- delete: Customer WHERE id = $found.id\n"));
    assert!(!found("- delete: Customer WHERE id = $found.id\n  hard: true\n"));
    assert!(found("- delete: Customer WHERE id = $found.id\n  hard: true\n- validate: $found IS NOT NULL\n"));
}

#[test]
fn another_round_may_have_removed_the_row_of_this_one() {
    let each = |steps: &str| tied(&format!("- foreach: o in find Order\n  do: [{steps}]"));
    let uses = out("$o.number");
    assert!(each(&format!("{uses}, {{delete: Order, hard: true}}")));
    assert!(each(&format!("{{delete: Order, hard: true}}, {uses}")));
    for removal in ["{delete: Order WHERE id <> $o.id, hard: true}", "{call: hard_order(id = $input.id)}"] {
        assert!(!each(&format!("{uses}, {removal}")), "{removal}");
        assert!(each(&format!("{{if: $o IS NOT NULL, then: [{uses}]}}, {removal}")), "{removal}");
    }
    let kids = |steps: &str| tied(&format!("- foreach: kid in find Kid\n  do: [{steps}]"));
    let id = out("\"{$kid.id}\"");
    assert!(kids(&id));
    assert!(!kids(&format!("{id}, {{delete: Order WHERE note = 'x', hard: true}}")));
    let values = |steps: &str| tied(&format!("- foreach: word in $input.many\n  do: [{steps}]"));
    let number = out("$order.number");
    assert!(values(&number));
    assert!(!values(&format!("{number}, {{delete: Order, hard: true}}")));
    // After the rounds, too.
    assert!(!tied(&format!("- foreach: o in find Order\n  do: [{{delete: Order, hard: true}}]\n- {number}")));
}

#[test]
fn a_mistake_in_a_condition_is_reported_once() {
    let said = said(&project(
        "- validate: $order.nte IS NOT NULL AND $input.words IS NOT NULL\n- update: Order SET label = $input.words",
    ));
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("SQ0140"), "{said:#?}");
}

#[test]
fn the_page_shows_what_must_be_asked() {
    let page = include_str!("../../../../docs/texts-and-expressions.md");
    let sample = page.split("```yaml\n").nth(2).and_then(|rest| rest.split("```").next()).expect("a second sample");
    assert_eq!(said(sample), [""; 0]);
    for (asked, instead) in
        [("paid_at IS NOT NULL AND ", ""), (" AND paid_by <> ''", ""), ("if: $invoice.email IS NULL", "if: 1 = 2")]
    {
        let unasked = sample.replace(asked, instead);
        assert_ne!(unasked, sample);
        let said = said(&unasked);
        assert!(!said.is_empty() && said.iter().all(|line| line.contains("SQ0304")), "{asked}: {said:?}");
    }
}
