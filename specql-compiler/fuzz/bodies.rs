//! What the fuzz targets do with their bytes, and what must then hold. The compiler's test `fuzz` does the same in every
//! run of the tests, with a corpus and seeded mutations.
#![allow(dead_code)] // each target has use for one of them

use specql_compiler::{
    Compilation, SourceFile, SourceKind, Sources, compile,
    internals::{
        diagnostics,
        rust::{self, ProjectParts},
        sql,
    },
};

/// What stands between the entity file and the registry file in the bytes of `front_end`.
pub(crate) const REGISTRY: &str = "\n#registry\n";

/// The bytes as an entity file and, behind [`REGISTRY`], a registry file.
pub(crate) fn front_end(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (entities, registry) = text.split_once(REGISTRY).unwrap_or((text, ""));
    project(entities, registry);
}

/// The bytes as an expression, wherever one may stand.
pub(crate) fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let it = quoted(text);
    let set = quoted(&format!("Order SET note = {text}"));
    let filtered = quoted(&format!("Order SET note = 'x' WHERE {text}"));
    project(
        &format!(
            "\
entity: Order
schema: sales
fields:
  total: integer!
  price: money
  note: text
  state: enum(new, paid) = new
  tags: list(text)
  document: json
  placed: timestamp
  customer: ref(Customer)
actions:
  - name: act
    input: {{amount: integer, note: text!, whom: ref(Customer)}}
    steps:
      - validate: {it}
        error: refused
      - insert: Order
        values: {{note: {it}, total: {it}}}
        as: made
      - update: {set}
      - update: {filtered}
      - if: {it}
        then:
          - update: Order
            set: {{price: {it}}}
            where: {it}
      - call_service:
          service: stripe
          operation: create_charge
          input: {{amount: {it}, currency: {it}}}
          correlation_field: {it}
          idempotency_key: {it}
          run_at: {it}
          on_success:
            - update: {set}
            - validate: {it}
          on_failure:
            - update: {set}
---
entity: Customer
fields: {{email: email!, name: text}}
"
        ),
        "",
    );
}

/// The bytes as a type, wherever one may stand.
pub(crate) fn types(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let it = quoted(text);
    project(
        &format!(
            "\
entity: Order
fields:
  short: {it}
  long: {{type: {it}, nullable: true}}
  with_default: {{type: {it}, default: {it}}}
actions:
  - name: act
    input: {{given: {it}}}
    steps: [{{reject: never}}]
  - name: create_order
"
        ),
        &format!(
            "\
services:
  - name: own
    runner_config: {{base_url: \"https://own.example.eu\"}}
    operations:
      - name: go
        method: POST
        path: /go
        input_schema: {{given: {it}, inner: {{given: {it}}}}}
        output_schema: {{taken: {it}}}
"
        ),
    );
}

/// A text in YAML's double quotes, which JSON's are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Compiles, says what there is to say, and emits what may be emitted: all of that ends, and nothing panics.
fn project(entities: &str, registry: &str) {
    let sources = Sources::new(vec![
        SourceFile::new("entities/a.yaml", entities, SourceKind::Entities),
        SourceFile::new("registry/service_registry.yaml", registry, SourceKind::Registry),
    ]);
    let compilation = compile(&sources);
    for found in &compilation.diagnostics {
        said(found, &sources);
    }
    // Rust is emitted with errors too, so that an editor keeps the names; it must be Rust.
    let _ = rust::emit(&compilation.model, &ProjectParts::default());
    if !compilation.has_errors() {
        emitted(&compilation);
    }
}

/// A diagnostic points into its file and can be shown in every form.
fn said(found: &diagnostics::Diagnostic, sources: &Sources) {
    let places = std::iter::once(found.span).chain(found.related.iter().map(|(span, _)| *span));
    for span in places {
        let text = &sources.get(span.file).expect("the file is one of the sources").text;
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} {}", found.message);
    }
    // A message cites the source: it must not speak to the terminal, nor to Cargo, which reads lines.
    let shown = diagnostics::render(found, sources, false);
    assert!(shown.contains(found.rule.code) && !shown.contains(invisible), "{shown:?}");
    let shown = diagnostics::render_for_rustc(found, sources);
    assert!(shown.contains(found.rule.code) && !shown.contains(invisible), "{shown:?}");
    let line = diagnostics::render_line(found, sources);
    assert!(!line.contains('\n') && !line.contains(invisible), "{line:?}");
}

/// What is emitted is the same when it is emitted again, and holds nothing that a server or reviewer cannot read.
fn emitted(compilation: &Compilation) {
    let schema = sql::schema(&compilation.model);
    let text = schema.render();
    assert!(!text.contains(invisible), "{:?}", text.find(invisible));
    assert!(!text.contains('\u{fffd}'), "a NUL reached the emitter");
    let mut names: Vec<_> = schema.objects.iter().map(|object| (object.kind, &object.name)).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "two objects of one name");
    assert_eq!(sql::schema(&compilation.model).render(), text);
}

fn invisible(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}
