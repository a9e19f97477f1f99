//! `{env: NAME}`, `{env: NAME, default: text}` and `{secret: name}`, and what must be one of them.

use specql_registry::{Setting, setting::names_credential};

use super::decode::Decoder;
use crate::{
    diagnostics::rules::{
        sq0505_bad_registry_value::bad_value,
        sq0508_literal_secret::{literal_secret, secret_with_default},
    },
    keys::{Key, Shape, Table},
    source::{
        Span,
        yaml::{Entry, Node, Value},
    },
};

/// A reference, where a text may stand or a credential must.
pub static REFERENCE: Table = Table::new(
    "a reference",
    &[
        Key::new("env", Shape::Text, "the environment variable of the worker that holds the value"),
        Key::new("secret", Shape::Text, "the file in `SPECQL_SECRETS_DIR` that holds the value, instead of `env`"),
        Key::new("default", Shape::Text, "the value where the variable is not set; a credential has none"),
    ],
);

/// Whether a value is meant as a reference.
pub(super) fn is_reference(node: &Node) -> bool {
    node.get("env").is_some() || node.get("secret").is_some()
}

/// The value under a key, a literal or a reference; under a credential's key a reference.
pub(super) fn setting(entry: &Entry, decoder: &mut Decoder) -> Option<Setting> {
    setting_of(&entry.value, &entry.key, names_credential(&entry.key), decoder)
}

/// The value under a key that holds a credential whatever its name is.
pub(super) fn credential(entry: &Entry, decoder: &mut Decoder) -> Option<Setting> {
    setting_of(&entry.value, &entry.key, true, decoder)
}

/// [`setting`] of a value that stands under `key`.
pub(super) fn setting_of(node: &Node, key: &str, is_credential: bool, decoder: &mut Decoder) -> Option<Setting> {
    match &node.value {
        Value::Mapping(_) => reference(node, key, is_credential, decoder),
        Value::String(_) | Value::Number(_) | Value::Bool(_) if is_credential => {
            decoder.report(literal_secret(node.span, key));
            None
        }
        Value::String(text) => Some(Setting::Literal(text.clone())),
        other => {
            let what = format!("`{key}` takes text, `{{env: NAME}}` or `{{secret: name}}`, not {}", other.kind());
            decoder.bad(node.span, what);
            None
        }
    }
}

fn reference(node: &Node, key: &str, is_credential: bool, decoder: &mut Decoder) -> Option<Setting> {
    let fields = decoder.fields(node, &REFERENCE)?;
    let (env, secret, default) = (fields.take("env"), fields.take("secret"), fields.take("default"));
    let span = fields.span;
    decoder.finish(fields);
    match (env, secret) {
        (Some(env), None) => {
            let name = decoder.text(env)?;
            check_name(&name, env.value.span, is_variable(&name), "an environment variable", decoder)?;
            let default = match default {
                Some(default) if is_credential => {
                    decoder.report(secret_with_default(default.value.span, key));
                    None
                }
                Some(default) => Some(decoder.text(default)?),
                None => None,
            };
            Some(Setting::Env { name, default })
        }
        (None, Some(secret)) => {
            let name = decoder.text(secret)?;
            if let Some(default) = default {
                decoder.report(secret_with_default(default.value.span, key));
            }
            check_name(&name, secret.value.span, is_file_name(&name), "a secret's file", decoder)?;
            Some(Setting::Secret(name))
        }
        _ => {
            decoder.report(bad_value(span, "a reference is `{env: NAME}` or `{secret: name}`"));
            None
        }
    }
}

fn check_name(name: &str, span: Span, fits: bool, what: &str, decoder: &mut Decoder) -> Option<()> {
    if !fits {
        decoder.bad(span, format!("`{name}` is no name of {what}"));
    }
    fits.then_some(())
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A plain file name: nothing that could lead out of the folder of secrets.
fn is_file_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}
