//! `fallback`: that the service which takes over exists, can do the same, and does not lead back.

use indexmap::IndexMap;
use specql_registry::Service;

use super::{DeclaredService, RegistrySet};
use crate::diagnostics::{
    Diagnostic,
    rules::sq0515_bad_fallback::{bad_fallback, unknown_fallback},
};

/// Checks the fallbacks of all services.
pub(super) fn check(set: &RegistrySet, diagnostics: &mut Vec<Diagnostic>) {
    for declared in set.services.values() {
        let (Some(fallback), Some(span)) = (&declared.service.fallback, declared.fallback_span) else { continue };
        let name = &declared.service.name;
        let Some(other) = set.services.get(fallback) else {
            diagnostics.push(unknown_fallback(span, fallback, set.services.keys().map(String::as_str)));
            continue;
        };
        if let Some(circle) = circle(&set.services, declared) {
            diagnostics.push(bad_fallback(span, format!("the fallbacks of `{name}` go round in a circle: {circle}")));
        } else if let Some(difference) = difference(&declared.service, &other.service) {
            diagnostics.push(bad_fallback(span, format!("`{fallback}` cannot take over from `{name}`: {difference}")));
        }
    }
}

/// What the other service cannot do as this one does.
fn difference(service: &Service, other: &Service) -> Option<String> {
    service.operations.values().find_map(|operation| {
        let name = &operation.name;
        match other.operations.get(name) {
            None => Some(format!("it has no operation `{name}`")),
            Some(same) if same.input != operation.input => Some(format!("its `{name}` takes another `input_schema`")),
            Some(same) if same.output != operation.output => Some(format!("its `{name}` has another `output_schema`")),
            Some(_) => None,
        }
    })
}

/// `a → b → a`, where the fallbacks lead back to the service.
fn circle(services: &IndexMap<String, DeclaredService>, from: &DeclaredService) -> Option<String> {
    let mut path = vec![from.service.name.as_str()];
    let mut at = from;
    while let Some(next) = at.service.fallback.as_ref().and_then(|name| services.get(name)) {
        path.push(&next.service.name);
        if next.service.name == from.service.name {
            return Some(path.join(" → "));
        }
        // A circle further on is reported where it is.
        if path.len() > services.len() {
            return None;
        }
        at = next;
    }
    None
}
