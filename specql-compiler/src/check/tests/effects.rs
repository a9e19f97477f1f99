//! What is known of an action with all that it calls.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{compiled, said};
use crate::{
    Compilation, compile,
    model::{
        Action, StepKind,
        effects::{Awaited, LOOKS},
        function::Volatility,
    },
    source::{SourceFile, SourceKind, Sources},
};

/// Actions `a1`, `a2`, … of which each calls the one before it, as often as it is said.
fn chain(length: usize, calls: usize) -> String {
    let mut text =
        "entity: Order\nfields: {note: text}\nactions:\n  - {name: a1, steps: [{validate: 1 = 1}]}\n".to_owned();
    for place in 2..=length {
        let steps = vec![format!("{{call: a{}()}}", place - 1); calls].join(", ");
        text += &format!("  - {{name: a{place}, steps: [{steps}]}}\n");
    }
    text
}

/// `sales` belongs to tenants, `crm` to nobody.
fn two_schemas(tenant: &str, plain: &str) -> Compilation {
    let file = |path: &str, text: String, kind| SourceFile { path: path.to_owned(), text, kind };
    compile(&Sources::new(vec![
        file("entities/order.yaml", format!("entity: Order\nschema: sales\n{tenant}"), SourceKind::Entities),
        file("entities/contact.yaml", format!("entity: Contact\nschema: crm\n{plain}"), SourceKind::Entities),
        file(
            "registry/domain_registry.yaml",
            "domains: {sales: {multi_tenant: true}, crm: {}}\n".into(),
            SourceKind::Registry,
        ),
    ]))
}

fn action<'m>(compilation: &'m Compilation, name: &str) -> &'m Action {
    let mut all = compilation.model.entities.iter().flat_map(|entity| &entity.actions);
    all.find(|action| action.name == name).unwrap()
}

#[test]
fn each_action_is_looked_at_once_however_often_it_is_called() {
    // 3 to the power of 63: looked at anew for each call, it would never end.
    let compilation = compiled(&chain(64, 3));
    assert_eq!(action(&compilation, "a64").effects.chain.0, 64);
    assert_eq!(action(&compilation, "a64").effects.volatility, Volatility::Immutable);
    let objects = crate::sql::schema(&compilation.model).objects;
    assert!(objects.iter().any(|object| object.name.starts_with("app.a64(")));
}

#[test]
fn a_chain_that_is_too_long_is_shown_once() {
    let [said] = &said(&chain(66, 1))[..] else { panic!("one mistake") };
    assert!(said.starts_with("68:12 SQ0207 65 actions call each other in a row: a65 → a64 → "), "{said}");
    assert!(said.contains("→ a2 → a1 | do the steps of some of them"), "{said}");
}

#[test]
fn an_action_that_works_on_rows_of_tenants_needs_one_wherever_it_stands() {
    let compilation = two_schemas(
        "fields: {note: text}\nactions: [{name: place, steps: [{insert: Order}]}]\n",
        "fields: {note: text, found: json}
actions:
  - {name: inserts, steps: [{insert: Order}]}
  - {name: lists, steps: [{insert: Contact, values: {found: {$for: order in find Order, $each: $order.note}}}]}
  - {name: finds, steps: [{find: Order, optional: true}]}
  - {name: loops, steps: [{foreach: order in find Order, do: [{validate: 1 = 1}]}]}
  - {name: in_a_branch, steps: [{if: 1 = 1, then: [{delete: Order WHERE note = 'x'}]}]}
  - {name: by_a_call, steps: [{call: inserts()}]}
  - name: later
    steps:
      - call_service:
          {service: slack, operation: post_message, input: {channel: \"#a\", text: \"b\"}, on_success: [{insert: Order, values: {note: \"c\"}}]}
  - {name: counts, steps: [{validate: count(Order) < 5}]}
  - {name: counts_inside, steps: [{return: count(Contact WHERE note = min(Order.note))}]}
  - {name: elsewhere, steps: [{insert: Contact}, {validate: count(Contact) > 0}]}
schedules:
  - {name: nightly, cron: '@daily', action: by_a_call}
",
    );
    for name in
        ["place", "inserts", "lists", "finds", "loops", "in_a_branch", "by_a_call", "later", "counts", "counts_inside"]
    {
        assert!(action(&compilation, name).effects.for_tenant, "{name}");
    }
    assert!(!action(&compilation, "elsewhere").effects.for_tenant);
    let [scheduled] = &compilation.diagnostics[..] else { panic!("{:?}", compilation.diagnostics) };
    assert_eq!(scheduled.rule.code, "SQ0234");
    assert!(
        scheduled
            .help
            .as_ref()
            .unwrap()
            .starts_with("`by_a_call`, or an action or a callback that it calls, works on rows")
    );
}

#[test]
fn what_differs_in_each_call_is_found_in_lists() {
    let compilation = compiled(
        "entity: Order
fields: {note: text, tags: list(text)}
actions:
  - name: tell
    steps:
      - call_service:
          service: stripe
          operation: create_charge
          input:
            amount: 5
            currency: \"EUR\"
            metadata: {of: {$for: other in find Order, $each: {note: $other.note, at: $other.updated_at}}}
      - call_service:
          service: stripe
          operation: create_charge
          input:
            amount: 5
            currency: \"EUR\"
            metadata: {of: {$for: other in find Order, $each: $other.note}, tags: {$for: tag in $order.tags, $each: [$tag]}}
",
    );
    let calls = action(&compilation, "tell").steps.iter().map(|step| match &step.kind {
        StepKind::CallService(call) => call.undigested(&compilation.model),
        _ => panic!("a call"),
    });
    assert_eq!(calls.collect::<Vec<_>>(), [vec!["metadata"], vec![]]);
}

#[test]
fn what_is_waited_for_is_known_of_those_that_call_and_said_once() {
    let call = "call_service: {service: slack, operation: post_message, input: {channel: \"#a\", text: \"b\"}, async: false, delay: 1 minutes}";
    let compilation = compiled(&format!(
        "entity: Order\nfields: {{note: text}}\nactions:\n  - {{name: tell, steps: [{{{call}}}]}}\n  - {{name: twice, steps: [{{call: tell()}}, {{call: tell()}}]}}\n"
    ));
    let awaited =
        Awaited { service: "slack".into(), operation: "post_message".into(), ordinal: "1".into(), seconds: 90 };
    for name in ["tell", "twice"] {
        let effects = &action(&compilation, name).effects;
        assert_eq!(effects.awaited, std::slice::from_ref(&awaited), "{name}");
        assert!(effects.queues);
        assert_eq!(effects.volatility, Volatility::Volatile);
    }
}

#[test]
fn a_removal_reaches_those_that_refer_by_cascade_and_one_further_by_set_null() {
    let entity = |name: &str, refs: &str| format!("---\nentity: {name}\nfields: {{note: text{refs}}}\n");
    let text = format!(
        "entity: A\nfields: {{note: text, up: {{type: ref(A), on_delete: set_null}}}}\nactions:\n  - {{name: hard, steps: [{{delete: A, \
         hard: true}}]}}\n  - {{name: soft, steps: [{{delete: A}}]}}\n  - {{name: calls, steps: [{{call: hard(id = $a.id)}}]}}\n{}{}{}{}{}",
        entity("B", ", a: {type: ref(A), on_delete: cascade}, d: {type: ref(D), on_delete: cascade}"),
        entity("C", ", b: {type: ref(B), on_delete: set_null}"),
        entity("D", ", b: {type: ref(B), on_delete: cascade}, c: {type: ref(C), on_delete: cascade}"),
        entity("E", ", c: {type: ref(C), on_delete: cascade}"),
        entity("F", ", a: ref(A), d: ref(D)"),
    );
    let compilation = compiled(&text);
    let names = |entities: &BTreeSet<crate::model::EntityId>| -> String {
        entities.iter().map(|id| compilation.model.entities[id.0].name.as_str()).collect()
    };
    for (name, changes, removes) in [("hard", "ABCD", "ABD"), ("calls", "ABCD", "ABD"), ("soft", "A", "")] {
        let effects = &action(&compilation, name).effects;
        assert_eq!((names(&effects.changes), names(&effects.removes)), (changes.into(), removes.into()), "{name}");
    }
}

#[test]
fn a_fallback_is_there_where_nothing_else_uses_it() {
    let file = |path: &str, text: &str, kind| SourceFile { path: path.to_owned(), text: text.to_owned(), kind };
    let compilation = compile(&Sources::new(vec![file(
        "registry/chat.yaml",
        "services:
  - name: chat
    fallback: slack
    runner_config: {base_url: \"https://chat.example.com\"}
    security_policy: {allowed_hosts: [chat.example.com]}
    operations:
      - name: post_message
        input_schema: {channel: text!, text: text!, thread_ts: text, blocks: json, unfurl_links: boolean}
        output_schema: {ok: boolean!, error: text, channel: text, ts: text}
        path: /post
",
        SourceKind::Registry,
    )]));
    assert!(!compilation.has_errors(), "{:?}", compilation.diagnostics);
    assert_eq!(compilation.model.registry.services.keys().collect::<Vec<_>>(), ["chat", "slack"]);
}

/// What an action of a random graph does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Validates,
    InsertsNote,
    UpdatesOrder,
    Queues,
}

impl Deed {
    const ALL: [Self; 4] = [Self::Validates, Self::InsertsNote, Self::UpdatesOrder, Self::Queues];

    fn step(self) -> &'static str {
        match self {
            Self::Validates => "{validate: 1 = 1}",
            Self::InsertsNote => "{insert: Note, values: {note: \"a\"}}",
            Self::UpdatesOrder => "{update: Order SET note = 'b' WHERE note = 'a'}",
            Self::Queues => {
                "{call_service: {service: slack, operation: post_message, input: {channel: \"#a\", text: \"b\"}}}"
            }
        }
    }
}

/// For each action what it does, and how often it calls which of those before it; and the order in which they are written.
fn graphs() -> impl Strategy<Value = (Vec<(Deed, Vec<usize>)>, Vec<usize>)> {
    (2_usize..=32).prop_flat_map(|length| {
        let action = |place: usize| {
            let calls = prop::collection::vec(0..place.max(1), 0..=if place == 0 { 0 } else { 4 });
            (prop::sample::select(&Deed::ALL[..]), calls)
        };
        (0..length).map(action).collect::<Vec<_>>().prop_flat_map(|actions| {
            let places = (0..actions.len()).collect::<Vec<_>>();
            (Just(actions), Just(places).prop_shuffle())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever calls whatever: what is known of an action is what the actions that it reaches do, and to find that out and to
    /// emit SQL, each step is looked at a fixed number of times.
    #[test]
    fn a_random_graph_of_calls_costs_as_much_as_it_has_steps((actions, written) in graphs()) {
        let mut text = "entity: Order\nfields: {note: text}\nactions:\n".to_owned();
        let mut steps = 0;
        for place in written {
            let (deed, calls) = &actions[place];
            let calls = calls.iter().map(|callee| format!("{{if: 1 = 1, then: [{{call: a{callee}()}}]}}"));
            let all: Vec<String> = std::iter::once(deed.step().to_owned()).chain(calls).collect();
            steps += 2 * all.len();
            text += &format!("  - {{name: a{place}, steps: [{}]}}\n", all.join(", "));
        }
        text += "---\nentity: Note\nfields: {note: text}\n";
        LOOKS.set(0);
        let compilation = compiled(&text);
        let schema = crate::sql::schema(&compilation.model);
        prop_assert!(schema.objects.len() > actions.len());
        // Once for the action, once for rows that have become stale, once for what is known not to be NULL; an emitter asks for
        // what was found.
        prop_assert!(LOOKS.get() <= 3 * steps, "{} looks at {steps} steps", LOOKS.get());

        let mut reached: Vec<BTreeSet<usize>> = Vec::new();
        for (place, (_, calls)) in actions.iter().enumerate() {
            let mut own = BTreeSet::from([place]);
            for callee in calls {
                own.extend(reached[*callee].iter().copied());
            }
            let does = |deed| own.iter().any(|place| actions[*place].0 == deed);
            let effects = &action(&compilation, &format!("a{place}")).effects;
            prop_assert_eq!(effects.queues, does(Deed::Queues));
            prop_assert_eq!(!effects.changes.is_empty(), does(Deed::UpdatesOrder));
            let pure = !does(Deed::Queues) && !does(Deed::UpdatesOrder) && !does(Deed::InsertsNote);
            prop_assert_eq!(effects.volatility == Volatility::Immutable, pure);
            reached.push(own);
        }
    }
}
