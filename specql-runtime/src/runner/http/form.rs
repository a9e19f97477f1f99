//! `application/x-www-form-urlencoded` with nested values, as Stripe and many others read it: `a[b]=c`, `a[0]=c`.

use serde_json::Value;
use url::form_urlencoded;

/// The pairs of a value, under a name.
pub(super) fn pairs(name: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::String(text) => into.push((name.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => into.push((name.to_owned(), value.to_string())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pairs(&format!("{name}[{index}]"), item, into);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                pairs(&format!("{name}[{key}]"), member, into);
            }
        }
    }
}

/// A body: the members of an object at the top.
pub(super) fn encode(body: &Value) -> String {
    let mut all = Vec::new();
    if let Value::Object(members) = body {
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
        pairs("a", &json!({"b": {"c": 1}, "d": [true, {"e": "x"}], "n": null, "empty": []}), &mut all);
        let expected = [("a[b][c]", "1"), ("a[d][0]", "true"), ("a[d][1][e]", "x")];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn names_and_values_are_encoded() {
        assert_eq!(encode(&json!({"a&b": "c=d +ü"})), "a%26b=c%3Dd+%2B%C3%BC");
        assert_eq!(encode(&json!({})), "");
    }
}
