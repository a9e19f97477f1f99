//! Whole projects through [`compile`](crate::compile): what the model holds, and what is said about mistakes.

mod effects;
mod inherit;
mod mistakes;
mod model;
mod narrowing;
mod of_rows;
mod properties;
mod race;
mod schedules;
mod texts;

use crate::{
    Compilation, compile,
    diagnostics::render,
    source::{SourceFile, SourceKind, Sources},
};

/// A project of one entity file.
fn sources(entities: &str) -> Sources {
    Sources::new(vec![SourceFile {
        path: "entities/order.yaml".to_owned(),
        text: entities.to_owned(),
        kind: SourceKind::Entities,
    }])
}

/// Compiles a project that must have no errors.
fn compiled(entities: &str) -> Compilation {
    let sources = sources(entities);
    let compilation = compile(&sources);
    let said: Vec<_> = compilation.diagnostics.iter().map(|diagnostic| render(diagnostic, &sources, false)).collect();
    assert!(!compilation.has_errors(), "{}", said.join("\n"));
    compilation
}

/// Everything that is said about a project, as `line:column code message | help`.
fn said(entities: &str) -> Vec<String> {
    let sources = sources(entities);
    let compilation = compile(&sources);
    let line = |diagnostic: &crate::diagnostics::Diagnostic| {
        let (line, column) = sources.line_column(diagnostic.span.file, diagnostic.span.start);
        let help = diagnostic.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{line}:{column} {} {}{help}", diagnostic.rule.code, diagnostic.message)
    };
    compilation.diagnostics.iter().map(line).collect()
}
