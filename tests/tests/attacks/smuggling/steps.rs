//! The later half of the language: composites and lists, functions, schedules, tenants, and the steps that look, loop,
//! call, tell, answer and delete.

use super::{Random, Texts};
use crate::support::{computed, quoted};

/// How many of the steps an action has: all files together have each of them a hundred times.
const STEPS: usize = 2;

/// The registry of a project: one schema is the tenants'.
pub(super) fn domains(texts: &mut Texts) -> String {
    format!("domains: {{crm: {{multi_tenant: true, aliases: [contacts], description: {}}}}}\n", texts.yaml(30))
}

/// Fields of composites and lists.
pub(super) fn fields(texts: &mut Texts) -> String {
    format!(
        "  place_e: {{type: SimpleAddress, default: {{street: {}, city: {}, state: {}, zipCode: \"10115\"}}}}
  tags_f: {{type: list(text), default: [{}, {}]}}
  places_g: {{type: list(SimpleAddress), description: {}}}
",
        texts.yaml(31),
        texts.yaml(32),
        texts.yaml(33),
        texts.yaml(34),
        texts.yaml(35),
        texts.yaml(36)
    )
}

/// A function and, where a schedule may stand, one of them.
pub(super) fn head(number: usize, schema: &str, texts: &mut Texts) -> String {
    let mut out =
        format!("functions:\n  fun_{number}: {{args: {{amount: text}}, returns: text!, volatility: stable}}\n");
    if schema != "crm" {
        let words = texts.template(37);
        out += &format!(
            "schedules:\n  - {{name: nightly_{number}, cron: \"0 3 * * *\", timezone: Europe/Berlin, action: look_{number}, input: {{words: {words}}}}}\n"
        );
    }
    out
}

/// Two actions, of which one calls the other. `text` is a field of type text.
pub(super) fn actions(number: usize, schema: &str, text: &str, kind: &mut Random, texts: &mut Texts) -> String {
    let words = quoted(&format!("text = {}", texts.literal(40)));
    let mut out = format!(
        "  - name: other_{number}
    input: {{words: {words}}}
    steps:
      - insert: {schema}.E{number}
        values: {{{text}: $input.words, identifier: {}}}
        as: made
      - return: $made
  - name: look_{number}
    description: {}
    input: {{words: {words}, tags: list(text)}}
    steps:
",
        computed(&format!("concat($input.words, {})", texts.literal(41))),
        texts.yaml(42)
    );
    let mut steps = [find, rows, values, call, function, notify, delete, service];
    // Some of them, in an order of the kind's own.
    for last in (1..steps.len()).rev() {
        steps.swap(last, kind.below(last + 1));
    }
    for step in &steps[..STEPS] {
        out += &step(number, schema, text, kind, texts);
    }
    out += &answer(kind, texts);
    out
}

fn find(number: usize, schema: &str, text: &str, kind: &mut Random, texts: &mut Texts) -> String {
    let (condition, again) =
        (format!("{text} = {}", texts.literal(43)), quoted(&format!("$seen.{text} LIKE {}", texts.literal(44))));
    if kind.below(2) == 0 {
        let find = quoted(&format!("{schema}.E{number} WHERE {condition}"));
        format!(
            "      - find: {find}\n        as: seen\n        optional: true\n      - if: $seen IS NULL\n        then:\n          - return: {}\n      - validate: {again}\n",
            texts.template(45)
        )
    } else {
        format!(
            "      - find: E{number}\n        where: {}\n        as: seen\n      - validate: {again}\n",
            quoted(&condition)
        )
    }
}

fn rows(number: usize, schema: &str, text: &str, kind: &mut Random, texts: &mut Texts) -> String {
    let head = quoted(&format!("each in find {schema}.E{number} WHERE {text} <> {}", texts.literal(46)));
    let update = quoted(&format!("E{number} SET {text} = $each.{text} || {}", texts.literal(47)));
    let last = if kind.below(2) == 0 { format!("          - delete: {schema}.E{number}\n") } else { String::new() };
    format!("      - foreach: {head}\n        do:\n          - update: {update}\n{last}")
}

fn values(number: usize, _: &str, text: &str, kind: &mut Random, texts: &mut Texts) -> String {
    let list = if kind.below(2) == 0 { "$input.tags" } else { "jsonb_build_array('a', 'b')" };
    let as_text = if list == "$input.tags" { "$tag" } else { "jsonb_extract_path_text(jsonb_build_array($tag), '0')" };
    format!(
        "      - foreach: tag in {list}
        do:
          - insert: E{number}
            values:
              {text}: {}
              place_e: {{street: {}, city: {}, state: {}, zipCode: \"10115\"}}
              tags_f: [{}, {}]
",
        computed(&format!("concat({as_text}, {})", texts.literal(48))),
        computed(&texts.literal(49)),
        texts.template(50),
        computed(&texts.literal(51)),
        texts.template(52),
        computed(&format!("coalesce({as_text}, {})", texts.literal(53))),
    )
}

fn call(number: usize, _: &str, text: &str, _: &mut Random, texts: &mut Texts) -> String {
    let call = quoted(&format!("other_{number}(words = {})", texts.literal(53)));
    let condition = quoted(&format!("$called.{text} = {}", texts.literal(54)));
    format!("      - call: {call}\n        as: called\n      - validate: {condition}\n")
}

fn function(number: usize, _: &str, _: &str, kind: &mut Random, texts: &mut Texts) -> String {
    let call = quoted(&format!("fun_{number}(amount = {})", texts.literal(55)));
    let condition = quoted(&format!("$computed = fun_{number}({})", texts.literal(56)));
    let name = ["as", "store"][kind.below(2)];
    format!("      - call: {call}\n        {name}: computed\n      - validate: {condition}\n")
}

fn notify(_: usize, _: &str, _: &str, kind: &mut Random, texts: &mut Texts) -> String {
    let message = if kind.below(2) == 0 {
        // A text in double quotes holds none.
        format!("\"{}\"", texts.next(57).replace('"', "'").replace("{$", "{{$"))
    } else {
        format!("concat($input.words, {})", texts.literal(57))
    };
    format!("      - notify: {}\n", quoted(&format!("clerk(news, {message})")))
}

fn delete(number: usize, schema: &str, text: &str, kind: &mut Random, texts: &mut Texts) -> String {
    let condition = format!("{text} IN ({}, {})", texts.literal(58), texts.literal(59));
    if kind.below(2) == 0 {
        format!("      - delete: {}\n", quoted(&format!("{schema}.E{number} WHERE {condition}")))
    } else {
        format!("      - delete: E{number}\n        where: {}\n        hard: true\n", quoted(&condition))
    }
}

fn service(number: usize, _: &str, text: &str, _: &mut Random, texts: &mut Texts) -> String {
    let (channel, sent) = (texts.template(60), computed(&format!("concat($tag, {})", texts.literal(61))));
    let (after, told) = (
        quoted(&format!("E{number} SET {text} = {}", texts.literal(62))),
        quoted(&format!("clerk(news, {})", texts.literal(63))),
    );
    format!(
        "      - foreach: tag in $input.tags
        do:
          - call_service:
              service: slack
              operation: post_message
              input: {{channel: {channel}, text: {sent}}}
              on_success:
                - foreach: row in find E{number} WHERE {text} IS NOT NULL
                  do:
                    - update: {after}
                - notify: {told}
                - return:
              on_failure:
                - notify: {}
",
        quoted(&format!("clerk(news, concat($error.message, {}))", texts.literal(64)))
    )
}

fn answer(kind: &mut Random, texts: &mut Texts) -> String {
    let answer = match kind.below(3) {
        0 => texts.template(65),
        1 => quoted(&format!("Nothing to do: {}", texts.next(65).replace("{$", "{{$"))),
        _ => computed(&format!("length({})", texts.literal(65))),
    };
    format!("      - return: {answer}\n")
}
