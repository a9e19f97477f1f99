//! Doc comments of generated items.

use proc_macro2::TokenStream;
use quote::quote;
use specql_registry::{SchemaField, Setting, ValueType, schema::FieldDefault};

/// `///` lines: paragraphs with an empty line between two; empty ones are left out.
pub(super) fn doc<S: AsRef<str>>(paragraphs: impl IntoIterator<Item = S>) -> TokenStream {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in paragraphs {
        let text = paragraph.as_ref().trim();
        if text.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(text.lines().map(harmless));
    }
    quote! { #(#[doc = #lines])* }
}

/// A line of a user's description that rustdoc cannot take for a code block, which it would run as a test.
fn harmless(line: &str) -> String {
    let line = line.trim();
    if line.is_empty() { String::new() } else { format!(" {}", line.replace("```", "'''").replace("~~~", "---")) }
}

/// A type as it is written in YAML.
pub(super) fn type_text(ty: &ValueType) -> String {
    match ty {
        ValueType::Basic(basic) => basic.name().to_owned(),
        ValueType::Decimal(None) => "decimal".to_owned(),
        ValueType::Decimal(Some((precision, scale))) => format!("decimal({precision},{scale})"),
        ValueType::Scalar(scalar) => scalar.info().name.to_owned(),
        ValueType::Enum(values) => format!("enum({})", values.join(", ")),
        ValueType::List(element) => format!("list({})", type_text(element)),
        ValueType::Object(schema) => {
            let fields: Vec<_> = schema.fields.iter().map(|(name, field)| field_text(name, field)).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// A field of a schema as it is written in YAML, with what is taken where it is not given.
fn field_text(name: &str, field: &SchemaField) -> String {
    let required = if field.required { "!" } else { "" };
    let default = match &field.default {
        None => String::new(),
        Some(FieldDefault::Value(value)) => format!(" = {value}"),
        Some(FieldDefault::Setting(Setting::Literal(text))) => format!(" = {text}"),
        Some(FieldDefault::Setting(Setting::Env { name, .. })) => format!(" = {{env: {name}}}"),
        Some(FieldDefault::Setting(Setting::Secret(name))) => format!(" = {{secret: {name}}}"),
    };
    format!("{name}: {}{required}{default}", type_text(&field.ty))
}

/// The doc comment of a field of a schema.
pub(super) fn schema_field(name: &str, field: &SchemaField) -> TokenStream {
    doc([field.description.clone().unwrap_or_default(), code(&field_text(name, field))])
}

/// Text as Markdown code, whatever back-ticks it holds.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
