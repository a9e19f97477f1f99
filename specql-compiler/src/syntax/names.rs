//! What may be a name, whatever it names.
//!
//! Names from YAML become identifiers in SQL and Rust. The grammar here, not an escape later, is what keeps anything else
//! out; emitters quote all the same.

use heck::{ToSnakeCase, ToUpperCamelCase};

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0136_invalid_name as invalid_name, sq0137_reserved_name as reserved_name},
    },
    source::{Span, Spanned},
};

/// Longest identifier of PostgreSQL, in bytes.
pub const MAX_IDENTIFIER: usize = 63;

/// What Rust cannot call anything, not even as a raw identifier.
const UNNAMEABLE: &[&str] = &["self", "super", "crate", "Self"];

/// Whether `name` is lower-case letters, digits and `_`, beginning with a letter.
#[must_use]
pub fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether `name` is letters and digits, beginning with a capital.
#[must_use]
pub fn is_type_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Checks the name of `what` (`an action`, `a variable`). Reports what is wrong with it.
pub fn check_identifier(name: &Spanned<String>, what: &str, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Spanned { value, span } = name;
    if !is_identifier(value) {
        let proposal = Some(value.to_snake_case()).filter(|proposal| is_identifier(proposal));
        let grammar = "lower-case letters, digits and `_`, beginning with a letter";
        diagnostics.push(invalid_name::error(*span, what, value, grammar, proposal));
        return false;
    }
    not_too_long(value, *span, what, diagnostics) && nameable(value, *span, what, diagnostics)
}

/// Checks the name of an entity.
pub fn check_entity(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Spanned { value, span } = name;
    if !is_type_name(value) {
        let proposal = Some(value.to_upper_camel_case()).filter(|proposal| is_type_name(proposal));
        let grammar = "letters and digits, beginning with a capital";
        diagnostics.push(invalid_name::error(*span, "an entity", value, grammar, proposal));
        return false;
    }
    not_too_long(value, *span, "an entity", diagnostics) && nameable(value, *span, "an entity", diagnostics)
}

/// Checks the name of a schema.
pub fn check_schema(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> bool {
    if !check_identifier(name, "a schema", diagnostics) {
        return false;
    }
    let owner = match name.value.as_str() {
        "app" | "jobs" => "SpecQL",
        "information_schema" => "PostgreSQL",
        schema if schema.starts_with("pg_") => "PostgreSQL",
        _ => return true,
    };
    diagnostics.push(reserved_name::error(name.span, "a schema", &name.value, &format!("it belongs to {owner}")));
    false
}

fn not_too_long(name: &str, span: Span, what: &str, diagnostics: &mut Vec<Diagnostic>) -> bool {
    if name.len() > MAX_IDENTIFIER {
        diagnostics.push(invalid_name::too_long(span, what, name));
    }
    name.len() <= MAX_IDENTIFIER
}

fn nameable(name: &str, span: Span, what: &str, diagnostics: &mut Vec<Diagnostic>) -> bool {
    if UNNAMEABLE.contains(&name) {
        diagnostics.push(reserved_name::error(span, what, name, "Rust cannot name anything so"));
        return false;
    }
    true
}
