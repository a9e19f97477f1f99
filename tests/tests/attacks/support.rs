//! Projects of these tests, and what is said about them.

use specql_compiler::{Compilation, SourceFile, SourceKind, Sources, compile, internals::sql};

/// The sources of a project: `specql.toml`, `registry/….yaml`, and everything else an entity file.
pub(crate) fn sources(files: &[(&str, &str)]) -> Sources {
    let file = |&(path, text): &(&str, &str)| {
        let kind = match path {
            "specql.toml" => SourceKind::Settings,
            path if path.starts_with("registry/") => SourceKind::Registry,
            _ => SourceKind::Entities,
        };
        SourceFile::new(path, text, kind)
    };
    Sources::new(files.iter().map(file).collect())
}

/// All that is said about a project, in source order: `entities/a.yaml:2:1 SQ0132 unknown key … | did you mean …`.
pub(crate) fn said(files: &[(&str, &str)]) -> Vec<String> {
    let sources = sources(files);
    let compilation = compile(&sources);
    let shown = compilation.diagnostics.iter().map(|found| {
        let (line, column) = sources.line_column(found.span.file, found.span.start);
        let path = &sources.get(found.span.file).unwrap().path;
        let help = found.help.as_deref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{path}:{line}:{column} {} {}{help}", found.rule.code, found.message)
    });
    shown.collect()
}

/// What is said about one entity file.
pub(crate) fn said_of(text: &str) -> Vec<String> {
    said(&[("entities/a.yaml", text)])
}

/// The codes of what is said about one entity file.
pub(crate) fn codes(text: &str) -> Vec<String> {
    codes_of(&[("entities/a.yaml", text)])
}

/// The codes of what is said about a project.
pub(crate) fn codes_of(files: &[(&str, &str)]) -> Vec<String> {
    let code = |line: &String| line.split(' ').nth(1).unwrap_or_default().to_owned();
    said(files).iter().map(code).collect()
}

/// A project without mistakes.
pub(crate) fn compiled(files: &[(&str, &str)]) -> Compilation {
    let compilation = compile(&sources(files));
    assert!(!compilation.has_errors(), "{:#?}", said(files));
    compilation
}

/// The SQL of one entity file without mistakes, but for the static schemas.
pub(crate) fn sql_of(text: &str) -> String {
    let model = compiled(&[("entities/a.yaml", text)]).model;
    let own = sql::schema(&model).objects.into_iter().filter(|object| object.origin.is_some());
    sql::render::render_objects(&own.collect::<Vec<_>>())
}

/// A text in YAML's double quotes, which JSON's are; what YAML refuses in a file stands as an escape.
/// An expression where a value may stand, in YAML.
pub(crate) fn computed(expression: &str) -> String {
    format!("{{$expr: {}}}", quoted(expression))
}

pub(crate) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escaped = |c: char| {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    json.chars().map(escaped).collect()
}
