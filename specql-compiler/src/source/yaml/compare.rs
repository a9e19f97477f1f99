//! The second reader: what `yaml_serde` makes of the same text must be the same.

use serde::Deserialize as _;
use serde_yaml::Value as Other;

use super::{Node, Value};
use crate::{
    diagnostics::{Diagnostic, rules::sq0010_readers_disagree::readers_disagree},
    source::Span,
};

/// Reads the text again and compares. The text has passed all budgets, so this is bounded too.
pub(super) fn agree(documents: &[Node], text: &str, start: Span) -> Result<(), Box<Diagnostic>> {
    let mut others = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        match Other::deserialize(document) {
            Ok(other) => others.push(other),
            Err(error) => {
                let span = documents.first().map_or(start, |node| Span { end: node.span.start, ..node.span });
                return Err(Box::new(readers_disagree(span, &format!("the second one says: {error}"))));
            }
        }
    }
    // A text without any document is one empty document to the other reader.
    if documents.is_empty() && others.iter().all(Other::is_null) {
        return Ok(());
    }
    if documents.len() != others.len() {
        let what = format!("one finds {} documents, the other {}", documents.len(), others.len());
        return Err(Box::new(readers_disagree(start, &what)));
    }
    match documents.iter().zip(&others).find_map(|(node, other)| difference(node, other)) {
        Some(node) => Err(Box::new(readers_disagree(node.span, "they read this value differently"))),
        None => Ok(()),
    }
}

/// The first node that the other reader saw differently. Recursion is bounded by the depth budget.
fn difference<'a>(node: &'a Node, other: &Other) -> Option<&'a Node> {
    let same = match (&node.value, other) {
        (Value::Null, Other::Null) => true,
        (Value::Bool(ours), Other::Bool(theirs)) => ours == theirs,
        (Value::String(ours), Other::String(theirs)) => ours == theirs,
        (Value::Number(ours), Other::Number(theirs)) => same_number(ours, theirs),
        (Value::Sequence(ours), Other::Sequence(theirs)) => {
            if ours.len() == theirs.len() {
                return ours.iter().zip(theirs).find_map(|(ours, theirs)| difference(ours, theirs));
            }
            false
        }
        (Value::Mapping(ours), Other::Mapping(theirs)) => {
            let same_keys = ours.len() == theirs.len()
                && ours.iter().zip(theirs.keys()).all(|(ours, theirs)| same_key(&ours.key, theirs));
            if same_keys {
                return ours.iter().zip(theirs.values()).find_map(|(ours, theirs)| difference(&ours.value, theirs));
            }
            false
        }
        _ => false,
    };
    (!same).then_some(node)
}

fn same_number(ours: &str, theirs: &serde_yaml::Number) -> bool {
    if let Some(theirs) = theirs.as_u64() {
        ours.parse() == Ok(theirs)
    } else if let Some(theirs) = theirs.as_i64() {
        ours.parse() == Ok(theirs)
    } else {
        theirs.as_f64().is_some() && ours.parse().ok() == theirs.as_f64()
    }
}

fn same_key(ours: &str, theirs: &Other) -> bool {
    match theirs {
        Other::String(theirs) => ours == theirs,
        Other::Bool(theirs) => ours == if *theirs { "true" } else { "false" },
        Other::Number(theirs) => same_number(ours, theirs),
        _ => false,
    }
}
