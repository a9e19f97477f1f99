//! Rows that are found, asked and changed without a lock.

use super::said;

/// An order whose action has these steps, with tickets.
fn steps(steps: &str) -> Vec<String> {
    let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    said(&format!(
        "\
entity: Order
schema: sales
fields: {{note: text}}
actions:
  - name: act
    input: {{ticket: ref(Ticket)!, code: text!}}
    steps:
{indented}---
entity: Ticket
schema: sales
fields: {{code: text!, sold: boolean! = false, price: integer, order: ref(Order)}}
"
    ))
}

/// Whether a lock is missing, which is all that is said.
fn warns(written: &str) -> bool {
    let said = steps(written);
    assert!(said.iter().all(|line| line.contains("SQ0214")), "{written}\n{said:#?}");
    !said.is_empty()
}

const FIND: &str = "- find: Ticket WHERE id = $input.ticket\n";
const ASK: &str = "- validate: NOT $ticket.sold\n";
const SELL: &str = "- update: Ticket SET sold = TRUE WHERE id = $ticket.id";

#[test]
fn a_row_that_is_asked_and_then_changed_needs_a_lock() {
    assert_eq!(
        steps(&format!("{FIND}{ASK}{SELL}")),
        ["8:15 SQ0214 `$ticket` is not locked: it may change between the condition on it and its update \
          | add `lock: true`, or ask again in the condition of the update"]
    );
    assert!(!warns(&format!("{FIND}  lock: true\n{ASK}{SELL}")));
    assert!(warns(&format!("{FIND}  lock: false\n{ASK}{SELL}")));
    assert!(warns(&format!("{FIND}  as: found\n- validate: $found.price > 0\n- delete: Ticket WHERE $found = id")));
    assert!(warns(&format!("{FIND}- if: $ticket.sold\n  then: [reject: sold]\n{SELL}")));
    assert!(warns(&format!("{FIND}- if: NOT $ticket.sold\n  then:\n  {SELL}")));
    assert!(warns(&format!("{FIND}  optional: true\n- validate: $ticket.price = 1\n{SELL} AND order IS NULL")));
    assert!(warns(&format!("{FIND}{ASK}- update: Ticket SET sold = TRUE WHERE id = $input.ticket")));
}

#[test]
fn a_row_of_which_nothing_is_asked_or_that_stays_needs_none() {
    assert!(!warns(&format!("{FIND}{SELL}")));
    assert!(!warns(&format!("{FIND}{ASK}- update: Order SET note = 'sold'")));
    assert!(!warns(&format!("{FIND}{ASK}- update: Ticket SET sold = TRUE WHERE order = $order")));
    assert!(!warns(&format!("{FIND}  optional: true\n- validate: $ticket IS NOT NULL\n{SELL}")));
    // The question comes after the change, or is asked of the row as it is then.
    assert!(!warns(&format!("{FIND}{SELL}\n{ASK}")));
    assert!(!warns(&format!("{FIND}{ASK}{SELL} AND NOT sold")));
    // The current row, and that of a loop, are locked.
    assert!(!warns("- validate: $order.note = 'a'\n- update: Order SET note = 'b'"));
    assert!(!warns(
        "- foreach: ticket in find Ticket\n  do: [{validate: NOT $ticket.sold}, {update: Ticket SET sold = TRUE}]"
    ));
}

#[test]
fn the_current_row_cannot_be_left_unlocked() {
    assert_eq!(
        steps("- find: Order WHERE note = $input.code\n  lock: false"),
        ["9:15 SQ0141 the current row is always locked | leave `lock` out, or give the row another name with `as:`"]
    );
    assert!(!warns("- find: Order WHERE note = $input.code\n  lock: true"));
    assert!(!warns("- find: Order WHERE note = $input.code\n  as: other\n  lock: false"));
}
