//! `application/x-www-form-urlencoded` with nested values, as Stripe and many others read it: `a[b]=c`, `a[0]=c`.

use specql_registry::Json;
use url::form_urlencoded;

/// The pairs of a value, under a name.
pub(super) fn pairs(name: &str, value: &Json, into: &mut Vec<(String, String)>) {
    match value {
        Json::Null => {}
        Json::String(text) => into.push((name.to_owned(), text.clone())),
        Json::Bool(_) | Json::Number(_) => into.push((name.to_owned(), value.to_string())),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pairs(&format!("{name}[{index}]"), item, into);
            }
        }
        Json::Object(members) => {
            for (key, member) in members {
                pairs(&format!("{name}[{key}]"), member, into);
            }
        }
    }
}

/// A body: the members of an object at the top.
pub(super) fn encode(body: &Json) -> String {
    let mut all = Vec::new();
    if let Json::Object(members) = body {
        for (name, member) in members {
            pairs(name, member, &mut all);
        }
    }
    form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_values_become_bracketed_names() {
        let mut all = Vec::new();
        pairs("a", &json!({"b": {"c": 1}, "d": [true, {"e": "x"}], "n": null, "empty": []}).into(), &mut all);
        let expected = [("a[b][c]", "1"), ("a[d][0]", "true"), ("a[d][1][e]", "x")];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn names_and_values_are_encoded() {
        assert_eq!(encode(&json!({"a&b": "c=d +ü"}).into()), "a%26b=c%3Dd+%2B%C3%BC");
        assert_eq!(encode(&json!({}).into()), "");
    }
}
