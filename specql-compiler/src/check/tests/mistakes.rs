//! What is said about mistakes: the place, the code, the words and the help.

use pretty_assertions::assert_eq;

use super::said;

/// An order with these steps in its action `act`.
fn steps(steps: &str) -> Vec<String> {
    let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    said(&format!(
        "\
entity: Order
schema: sales
fields: {{customer_email: email!, total: integer!, price: money, currency: currencyCode = EUR, status: 'enum(unpaid, paid)', note: text, customer: ref(Customer)}}
actions:
  - name: act
    steps:
{indented}---
entity: Customer
fields: {{name: text!, orders: integer}}
"
    ))
}

/// An order with this field.
fn field(field: &str) -> Vec<String> {
    said(&format!("entity: Order\nfields:\n  {field}\n"))
}

/// Checks a table of inputs, each with all that is said about it.
fn check(say: fn(&str) -> Vec<String>, table: &[(&str, &[&str])]) {
    for (input, expected) in table {
        assert_eq!(say(input), *expected, "{input}");
    }
}

#[test]
fn an_entity_that_cannot_be_understood_is_reported_where_it_stands() {
    check(
        said,
        &[
            ("entity: order", &["1:9 SQ0136 `order` is not a name of an entity | write `Order`"]),
            (
                "entity: Order\nschema: pg_temp",
                &[
                    "2:9 SQ0137 `pg_temp` cannot be the name of a schema | it belongs to PostgreSQL; choose another name",
                ],
            ),
            (
                "entity: Order\nfeilds: {}",
                &["2:1 SQ0132 unknown key `feilds` in an entity file | did you mean `fields`?"],
            ),
            (
                "entity: Order\npatterns: []\nrenamed_from: Order",
                &[
                    "2:1 SQ0135 `patterns` is not implemented and has no effect | remove it",
                    "3:15 SQ0142 the entity `Order` is still there: nothing can be renamed from it | take the old one away, or leave `renamed_from` out",
                ],
            ),
            (
                "entity: Order\n---\nentity: Order",
                &["3:9 SQ0138 there is a second entity `Order` | an entity is written once; rename one of them"],
            ),
            (
                "entity: HttpOrder\n---\nentity: HTTPOrder",
                &[
                    "3:9 SQ0138 `HTTPOrder` and `HttpOrder` would both be the table `public.tb_http_order` | rename one of them",
                ],
            ),
            ("fields: {}", &["1:1 SQ0133 an entity file needs the key `entity` | add `entity:`"]),
            ("- a", &["1:1 SQ0131 an entity file must be a mapping that begins with `entity: Name`, found a list"]),
            (
                "entity: Order\nactions: [{name: ship}, {name: ship}, {name: Ship}]",
                &[
                    "2:18 SQ0203 the action `ship` has no steps and answers `failed:not_implemented` | give it `steps:`",
                    "2:32 SQ0138 there is a second action `ship` in this entity | rename one of them",
                    "2:46 SQ0136 `Ship` is not a name of an action | write `ship`",
                ],
            ),
            (
                "entity: Order\nactions: [{name: create_it}]\n---\nentity: Line\nactions: [{name: create_it}]",
                &[
                    "2:18 SQ0202 `app.create_it` is the public function of an action of `Line` already | give one of them a name of its own: `wrapper: order_create_it`",
                ],
            ),
            ("entity: {name: Order, schema: sales, fields: {a: text}, actions: [{name: create_order}]}", &[]),
            (
                "entity: Order\nfields: {a: {type: tex}}\nactions: [{name: x, steps: [{update: \"Order SET a = 'x'\"}]}]",
                &["2:20 SQ0110 unknown type `tex` | did you mean `text`?"],
            ),
        ],
    );
}

#[test]
fn a_field_that_cannot_be_understood_is_reported_where_it_stands() {
    check(
        field,
        &[
            (
                "id: uuid",
                &[
                    "3:3 SQ0137 `id` cannot be the name of a field | every entity has a column of that name; choose another name",
                ],
            ),
            (
                "customer-email: text",
                &["3:3 SQ0136 `customer-email` is not a name of a field | write `customer_email`"],
            ),
            (
                "pk_x: text",
                &[
                    "3:3 SQ0137 `pk_x` cannot be the name of a field | names that begin with `pk_` are those of keys; choose another name",
                ],
            ),
            (
                "self: text",
                &[
                    "3:3 SQ0137 `self` cannot be the name of a field | Rust cannot name anything so; choose another name",
                ],
            ),
            (
                "x: {type: text, on_delete: cascade}",
                &["3:30 SQ0141 only a reference has this key | give the field the type `ref(Entity)`"],
            ),
            (
                "x: {type: ref(Order), on_delete: set_null, required: true}",
                &[
                    "3:36 SQ0141 a required reference cannot become NULL | choose `restrict` or `cascade`, or let the field be NULL",
                ],
            ),
            ("x: ref(Ordr)", &["3:10 SQ0139 unknown entity `Ordr` | did you mean `Order`?"]),
            (
                "x: ref(crm.Order)",
                &["3:14 SQ0139 there is no entity `Order` in the schema `crm` | it is `public.Order`"],
            ),
            ("x: integer = ten", &["3:16 SQ0112 the default does not fit its type: expected integer, got \"ten\""]),
            ("x: txt", &["3:6 SQ0110 unknown type `txt` | did you mean `text`?"]),
            (
                "x: {type: text, dflt: a}",
                &[
                    "3:19 SQ0132 unknown key `dflt` in a field | known are `type`, `nullable`, `required`, `default`, `description`, `schema`, `on_delete`, `backfill`, `unique`, `min`, `max`, `pattern` and 1 more",
                ],
            ),
            ("x: timestamp = now()", &[]),
            (
                "x: {type: text, nullable: true, required: true}",
                &["3:19 SQ0131 `required` and `nullable` cannot stand together | keep one of them"],
            ),
            (
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: text",
                &[
                    "3:3 SQ0136 this name of a field has 89 bytes, more than the 63 that PostgreSQL keeps | choose a shorter one",
                ],
            ),
        ],
    );
}

#[test]
fn a_step_that_means_nothing_is_reported_where_it_stands() {
    check(
        steps,
        &[
            ("- updaet: Order SET total = 0", &["7:9 SQ0201 unknown step `updaet` | did you mean `update`?"]),
            (
                "- update: Customer SET orders = 1",
                &[
                    "7:17 SQ0204 this update of `Customer` does not say which row | there is no current row of `Customer` here; add `WHERE id = …`",
                ],
            ),
            (
                "- insert: Order\n  values: {total: 1}",
                &[
                    "7:17 SQ0205 this insert of `Order` leaves out the required field `customer_email` | add it to `values:`, or to the action's `input:`",
                ],
            ),
            (
                "- insert: Customer\n  values: {name: \"x\"}\n  as: input",
                &["9:13 SQ0206 `$input` has a meaning of its own | choose another name"],
            ),
            (
                "- insert: Customer\n  values: {name: note}\n- update: Customer SET orders = 1",
                &[
                    "8:24 SQ0304 this may be NULL, but the field `name` is required | give a value for that case: `coalesce(…, value)`",
                    "9:17 SQ0204 this update of `Customer` does not say which row | there is no current row of `Customer` here; add `WHERE id = …`",
                ],
            ),
            (
                "- insert: Order\n  values: {total: total, customer_email: $order.customer_email}",
                &[
                    "8:48 SQ0204 `$order` does not exist before `insert: Order` | before the insert a bare name is the input field of that name",
                ],
            ),
            (
                "- if: total\n  else: []",
                &[
                    "7:13 SQ0133 a step `if` needs the key `then` | add `then:`",
                    "7:13 SQ0303 expected boolean, found integer | write a comparison, such as `total > 0`",
                ],
            ),
            ("- reject: no\n  because: x", &["8:9 SQ0132 unknown key `because` in a step `reject` | known: `reject`"]),
            (
                "- insert: Order\n  update: Order",
                &["8:9 SQ0201 `insert` and `update` in one step | begin a new step: `- update: …`"],
            ),
        ],
    );
}

#[test]
fn an_expression_is_checked_name_by_name_and_type_by_type() {
    check(
        steps,
        &[
            ("- update: Ordr SET total = 0", &["7:17 SQ0139 unknown entity `Ordr` | did you mean `Order`?"]),
            ("- update: Order SET totl = 0", &["7:27 SQ0140 `Order` has no field `totl` | did you mean `total`?"]),
            (
                "- update: Order SET status = 'payed'",
                &["7:36 SQ0306 `payed` is not one of the enum's values | known: `unpaid`, `paid`"],
            ),
            (
                "- update: Order SET total = 'many'",
                &["7:35 SQ0303 the field `total` is integer, found the text `many`"],
            ),
            ("- update: Order SET total = note", &["7:35 SQ0303 the field `total` is integer, found text"]),
            (
                "- update: Order SET total = price",
                &[
                    "7:35 SQ0303 the field `total` is integer, found money | money is in major units: `minor_units(amount, currency)` makes an integer of it",
                ],
            ),
            (
                "- update: Order SET price = total",
                &[
                    "7:35 SQ0303 the field `price` is money, found integer | an integer may be minor units: divide it, as in `total / 100.0`",
                ],
            ),
            (
                "- update: Order SET total = minor_units(price, currency)",
                &[
                    "7:35 SQ0304 this may be NULL, but the field `total` is required | give a value for that case: `coalesce(…, value)`",
                ],
            ),
            ("- update: Order SET total = coalesce(minor_units(price, currency), 0)", &[]),
            (
                "- update: Order SET created_at = now()",
                &["7:27 SQ0140 `created_at` cannot be set | SpecQL fills this column itself"],
            ),
            ("- update: Order SET total = 1, total = 2", &["7:38 SQ0140 `total` is set twice | keep one of them"]),
            (
                "- update: Order SET total = tok_visa",
                &[
                    "7:35 SQ0302 unknown name `tok_visa` | a text stands in quotes: `\"tok_visa\"` as a value, `'tok_visa'` inside an expression",
                ],
            ),
            (
                "- update: Order SET total = pg_sleep(1)",
                &[
                    "7:35 SQ0305 unknown function `pg_sleep` | known are `now`, `coalesce`, `nullif`, `lower`, `upper`, `length`, `initcap`, `reverse`, `trim`, `btrim`, `ltrim`, `rtrim` and 44 more",
                ],
            ),
            (
                "- update: Order SET total = $order.total); DROP TABLE x",
                &["7:48 SQ0301 `;` has no meaning here | a step holds one expression: no `;`"],
            ),
            (
                "- update: Order SET total = (SELECT 1)",
                &[
                    "7:36 SQ0301 there are no subselects in expressions | follow a reference, `$order.customer.email`, or name an entity: `count(Order WHERE …)`",
                ],
            ),
            (
                "- update: Order SET total = total::int",
                &[
                    "7:40 SQ0301 `::` has no meaning here | there are no casts: give the field or input the type that is wanted",
                ],
            ),
            (
                "- update: Order SET customer_email = note || '@x.eu'",
                &[
                    "7:44 SQ0304 this may be NULL, but the field `customer_email` is required | give a value for that case: `coalesce(…, value)`",
                ],
            ),
            (
                "- update: Order SET customer_email = coalesce(note, 'a@b.eu')",
                &[
                    "7:53 SQ0303 the field `customer_email` is email, found text | give it the type `email` where it is declared",
                ],
            ),
            (
                "- update: Order SET customer_email = 'nobody'",
                &["7:44 SQ0306 `nobody` is not a valid email | an e-mail address, such as `ada@example.eu`"],
            ),
            (
                "- update: Order SET note = $order.customer.nam",
                &["7:50 SQ0140 `Customer` has no field `nam` | did you mean `name`?"],
            ),
            ("- update: Order SET note = $order.customer", &[]),
            (
                "- update: Order SET note = $ordr.note",
                &["7:34 SQ0302 unknown variable `$ordr` | did you mean `$order`?"],
            ),
            (
                "- insert: Order\n  as: order\n- update: Order SET note = $elsewhere.note",
                &["9:34 SQ0302 unknown variable `$elsewhere` | known: `$order`, `$input`"],
            ),
            (
                "- update: Order SET note = $output.id",
                &[
                    "7:34 SQ0302 `$output` is not available here: there is no finished call | use it in the steps of `on_success:` or `on_failure:`",
                ],
            ),
            ("- update: Customer SET orders = orders + 1 WHERE id = $order.customer", &[]),
            (
                "- validate: total",
                &["7:19 SQ0303 expected boolean, found integer | write a comparison, such as `total > 0`"],
            ),
            (
                "- validate: note = NULL",
                &[
                    "7:19 SQ0303 expected a value on both sides, found NULL, which equals nothing | write `IS NULL` or `IS NOT NULL`",
                ],
            ),
            (
                "- validate: total > 0 > 1",
                &["7:29 SQ0301 comparisons cannot be chained | join two comparisons with `AND`"],
            ),
            (
                "- validate: $input.reason IS NOT NULL",
                &[
                    "7:19 SQ0307 nothing tells the type of `$input.reason` | declare the action's inputs: `input: {reason: text}`",
                ],
            ),
            ("- validate: customer = $input.who", &[]),
            (
                "- validate: status IN ('paid', 'lost')",
                &["7:38 SQ0306 `lost` is not one of the enum's values | known: `unpaid`, `paid`"],
            ),
            (
                "- validate: total > 0\n  error: Bad Code",
                &["8:16 SQ0136 `Bad Code` is not a name of an error | write `bad_code`"],
            ),
            (
                "- validate: 'unclosed",
                &[
                    "7:19 SQ0001 invalid YAML: while scanning a quoted scalar, found unexpected document indicator | what stands behind this place was not read",
                ],
            ),
            (
                "- validate: \"note = 'x\"",
                &[
                    "7:27 SQ0301 this text has no closing quote | close it with `'`; a quote inside a text is written twice: `'it''s'`",
                ],
            ),
        ],
    );
}

#[test]
fn a_call_is_checked_against_the_registry() {
    check(
        steps,
        &[
            (
                "- call_service: {service: strip, operation: create_charge, input: {amount: total}}",
                &["7:33 SQ0401 unknown service `strip` | did you mean `stripe`?"],
            ),
            (
                "- call_service: {service: stripe, operation: create_chrage, input: {amount: total}}",
                &["7:52 SQ0402 `stripe` has no operation `create_chrage` | did you mean `create_charge`?"],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {currency: currency}}",
                &[
                    "7:67 SQ0403 `stripe.create_charge` needs the input `amount: integer` | add it to `input:`; every required input is given by every call",
                ],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amuont: total}}",
                &["7:75 SQ0404 `stripe.create_charge` has no input `amuont` | did you mean `amount`?"],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: ten}}",
                &[
                    "7:83 SQ0302 unknown name `ten` | a text stands in quotes: `\"ten\"` as a value, `'ten'` inside an expression",
                ],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: \"ten\"}}",
                &["7:83 SQ0405 the input `amount` of `stripe.create_charge` is integer, found the text `ten`"],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: customer_email}}",
                &["7:83 SQ0405 the input `amount` of `stripe.create_charge` is integer, found email"],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: total}, timeout: 0, max_retries: 101, delay: soon, unique: twice, retries: 3}",
                &[
                    "7:100 SQ0407 `timeout` is 0 | it is a number from 1 to 86400",
                    "7:116 SQ0407 `max_retries` is 101 | it is a number from 1 to 100",
                    "7:128 SQ0407 `soon` is not a length of time | write a whole number and a unit (seconds, minutes, hours, days or weeks), such as `10 minutes`",
                    "7:142 SQ0407 `unique` cannot be `twice` | it is `in_flight` (the same call is one job while it is unfinished), `latest` (and a newer call replaces one that waits), `once` (nor after it completed) or `never`",
                    "7:149 SQ0132 unknown key `retries` in a `call_service` | known are `service`, `operation`, `input`, `async`, `async_mode`, `timeout`, `max_retries`, `give_up_after`, `correlation_field`, `idempotency_key`, `unique`, `delay` and 5 more",
                ],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: total}, give_up_after: 2h 90}",
                &[
                    "7:106 SQ0407 `2h 90` is not a length of time | write a whole number and a unit (seconds, minutes, hours, days or weeks), such as `10 minutes`",
                ],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: total}, give_up_after: 400 days}",
                &["7:106 SQ0407 `give_up_after` is `400 days` | it is from a second to a year"],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: total}, async: false, on_failure: [{call_service: {service: stripe, operation: create_charge, input: {amount: total}, async: false}}]}",
                &[
                    "7:201 SQ0407 a call in a callback cannot be waited for | leave `async: false` out: whoever called the action has its answer before this call is queued",
                ],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: total}, on_success: [{update: \"Order SET note = $output.charge\"}]}",
                &[
                    "7:139 SQ0406 the output of `stripe.create_charge` has no `charge` | it has `id`, `status`, `amount`, `currency`, `paid`, `captured`, `customer`, `receipt_url`, `failure_code`, `failure_message`",
                ],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: total}, on_failure: [{update: \"Order SET note = $output.id\"}]}",
                &[
                    "7:131 SQ0302 `$output` is not available here: a call that failed has no output | `$error.message` says why it failed",
                ],
            ),
            (
                "- call_service: {service: stripe, operation: create_charge, input: {amount: total}, on_failure: [{update: \"Order SET note = $input.x\"}]}",
                &[
                    "7:131 SQ0302 `$input` is not available here: a callback runs later, by itself | keep what the callback needs in a field of the row, and read it from there",
                ],
            ),
        ],
    );
}

#[test]
fn a_declared_function_has_a_name_of_its_own_and_takes_what_it_says() {
    let declared = |functions: &str, step: &str| {
        format!(
            "entity: Order\nfields: {{total: integer!, note: text}}\nfunctions:\n{functions}\nactions:\n  - name: a\n    steps: [{{update: \"Order SET {step}\"}}]\n"
        )
    };
    let mut wrong = Vec::new();
    for (functions, step, expected) in [
        (
            "  lower: {returns: text}",
            "total = 1",
            "4:3 SQ0137 `lower` cannot be the name of a function | expressions have a function of that name",
        ),
        (
            "  a: {returns: text}",
            "total = 1",
            "4:3 SQ0137 `a` cannot be the name of a function | an action of this entity has it",
        ),
        (
            "  order_pk: {returns: text}",
            "total = 1",
            "4:3 SQ0137 `order_pk` cannot be the name of a function | SpecQL makes a function of that name for `Order`",
        ),
        ("  f: {args: {x: integer}}", "total = 1", "4:3 SQ0133 a function needs the key `returns`"),
        (
            "  f: {args: {x: integer = 1}, returns: text}",
            "total = 1",
            "4:27 SQ0141 an argument has no default | leave it out; the function itself may have one",
        ),
        (
            "  f: {returns: text, volatility: pure}",
            "total = 1",
            "4:34 SQ0141 `volatility` cannot be `pure` | it is `immutable`, `stable` or `volatile`",
        ),
        ("  f: {returns: integer!}", "total = f(1)", "7:41 SQ0305 wrong number of arguments for `f` | it is `f()`"),
        (
            "  f: {args: {x: integer!}, returns: integer!}",
            "total = f(NULL)",
            "7:43 SQ0304 this may be NULL, but the argument `x` of `f` is required",
        ),
        (
            "  f: {args: {x: integer}, returns: integer}",
            "total = f(1)",
            "7:41 SQ0304 this may be NULL, but the field `total` is required",
        ),
        ("  f: {args: {x: integer}, returns: integer!}", "total = f('one')", "7:43 SQ0303 expected integer"),
        ("  fee: {returns: integer!}", "total = fe()", "7:41 SQ0305 unknown function `fe` | did you mean `fee`?"),
    ] {
        let said = said(&declared(functions, step));
        if said.len() != 1 || !said[0].starts_with(expected) {
            wrong.push(format!("{functions} {step}: {said:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let helper = "entity: Order\nactions: [{name: order_id}]\n";
    assert_eq!(
        said(helper),
        [
            "2:18 SQ0137 `order_id` cannot be the name of an action | SpecQL makes a function of that name for `Order`; choose another name"
        ]
    );
}
