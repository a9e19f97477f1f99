//! Whether a constraint only became wider: the one change of a CHECK that all rows survive.

use std::collections::BTreeSet;

use specql_registry::scalars::{FORMER_PATTERNS, Scalar};

use crate::sql::quote::literal;

/// Whether `new` is `old` with more string literals in a list: an enum that got a value, also where it is the type of a list's items. Or
/// with a scalar's pattern of today, which allows what that of an earlier version allowed.
pub(super) fn widens(old: &str, new: &str) -> bool {
    let (old, new) = (split(&with_todays_patterns(old)), split(new));
    old.shape == new.shape && old.literals.is_subset(&new.literals)
}

fn with_todays_patterns(definition: &str) -> String {
    let mut text = definition.to_owned();
    for (name, former) in FORMER_PATTERNS {
        let Some(pattern) = Scalar::from_name(name).and_then(|scalar| scalar.info().pattern) else { continue };
        // By itself, and as a member of a shape in JSON, which is a part of a literal.
        let in_json = |pattern: &str| {
            let quoted = literal(&serde_json::Value::from(pattern).to_string());
            quoted.trim_start_matches('E').trim_matches('\'').to_owned()
        };
        text = text.replace(&literal(former), &literal(pattern)).replace(&in_json(former), &in_json(pattern));
    }
    text
}

struct Parts {
    /// The text with each comma-separated run of literals as one `?`.
    shape: String,
    literals: BTreeSet<String>,
}

fn split(text: &str) -> Parts {
    let mut shape = String::new();
    let mut literals = BTreeSet::new();
    let mut rest = text;
    while let Some(start) = rest.find('\'') {
        let (before, from) = rest.split_at(start);
        let length = literal_length(from);
        let (literal, after) = from.split_at(length);
        match items(before, literal) {
            Some(items) => literals.extend(items),
            None => {
                literals.insert(literal.to_owned());
            }
        }
        // `'a', 'b'` is a run: the comma between two literals is part of it.
        if !(before.trim() == "," && shape.ends_with('?')) {
            shape.push_str(before);
            shape.push('?');
        }
        rest = after;
    }
    shape.push_str(rest);
    Parts { shape, literals }
}

/// The texts of a JSON list that a list must be a part of: `tags <@ '["a", "b"]'`.
fn items(before: &str, literal: &str) -> Option<Vec<String>> {
    let text = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let items =
        before.ends_with("<@ ").then(|| serde_json::from_str::<Vec<String>>(&text.replace("''", "'")).ok())??;
    Some(items.into_iter().map(|item| format!("item {item}")).collect())
}

/// Bytes of the literal at the start of `text`; a doubled quote does not end it.
fn literal_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if bytes[at] != b'\'' {
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'\'') {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::quote::jsonb;

    #[test]
    fn an_enum_that_gets_a_value_is_wider() {
        assert!(widens("CHECK (s IN ('a', 'b'))", "CHECK (s IN ('a', 'c', 'b'))"));
        assert!(widens("CHECK (s IN ('it''s'))", "CHECK (s IN ('it''s', 'b'))"));
    }

    #[test]
    fn a_scalars_pattern_of_today_is_wider_than_its_former_one() {
        for (name, former) in FORMER_PATTERNS {
            let today = Scalar::from_name(name).unwrap().info().pattern.unwrap();
            let shape = |pattern: &str| jsonb(&serde_json::json!([{"is": "text", "pattern": pattern, "words": "x"}]));
            for check in [
                |pattern: &str| format!("CHECK (mail ~ {})", literal(pattern)),
                |pattern: &str| format!("CHECK (app.all_match(mails, {}))", literal(pattern)),
            ] {
                assert!(widens(&check(former), &check(today)), "{name}");
                assert!(!widens(&check(today), &check(former)), "{name}");
            }
            assert!(widens(&shape(former), &shape(today)), "{name}");
            assert!(!widens(&shape(today), &shape(former)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_a_former_pattern_allows_todays_allows(
            (name, text) in prop::sample::select(FORMER_PATTERNS)
                .prop_flat_map(|(name, former)| (Just(name), proptest::string::string_regex(former.trim_matches(['^', '$'])).unwrap()))
        ) {
            let today = Scalar::from_name(name).unwrap().info().pattern.unwrap();
            prop_assert!(regex_lite::Regex::new(today).unwrap().is_match(&text), "{text}");
        }
    }

    #[test]
    fn a_list_whose_items_may_be_more_is_wider() {
        let check = |items: &str| format!("CHECK (jsonb_typeof(s) = 'array' AND s <@ '{items}'::jsonb)");
        assert!(widens(&check(r#"["a","it''s"]"#), &check(r#"["a","b","it''s"]"#)));
        assert!(!widens(&check(r#"["a","b"]"#), &check(r#"["a"]"#)));
        assert!(!widens(&check(r#"["array"]"#), &check(r#"["a"]"#)));
    }

    #[test]
    fn an_enum_that_loses_a_value_is_not() {
        assert!(!widens("CHECK (s IN ('a', 'b'))", "CHECK (s IN ('a'))"));
    }

    #[test]
    fn another_condition_is_not() {
        assert!(!widens("CHECK (s IN ('a'))", "CHECK (t IN ('a', 'b'))"));
        assert!(!widens("CHECK (n > 0)", "CHECK (n > 1)"));
        assert!(!widens("CHECK (s ~ 'a')", "CHECK (s ~ 'a' AND s <> 'b')"));
    }

    #[test]
    fn a_text_that_never_closes_its_literal_ends() {
        assert!(!widens("CHECK ('", "CHECK"));
    }
}
