//! Diagnostics for programs: as JSON, and as the workflow commands from which GitHub makes annotations.

use std::path::Path;

use annotate_snippets::normalize_untrusted_str;
use serde::Serialize;

use super::{Diagnostic, Severity};
use crate::source::{Sources, Span};

/// What is said about a project. Of all these keys none is ever removed: `docs/checking.md` promises it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    project: &'a Path,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Record<'a>>,
}

/// A diagnostic.
#[derive(Debug, Serialize)]
struct Record<'a> {
    code: &'static str,
    rule: &'static str,
    severity: &'static str,
    message: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    label: Option<&'a str>,
    help: Option<&'a str>,
    related: Vec<Related<'a>>,
}

/// Another place that explains it.
#[derive(Debug, Serialize)]
struct Related<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    label: &'a str,
}

/// Where: lines and columns count from 1, columns count characters, the end is the first place behind it. All of it is
/// `null` where the diagnostic is about no file.
#[derive(Debug, Default, Serialize)]
struct Place<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    end_line: Option<u32>,
    end_column: Option<u32>,
}

impl<'a> Place<'a> {
    fn of(span: Span, sources: &'a Sources) -> Self {
        let Some(file) = sources.get(span.file) else { return Self::default() };
        let (line, column) = sources.line_column(span.file, span.start);
        let (end_line, end_column) = sources.line_column(span.file, span.end).max((line, column));
        Self {
            file: Some(&file.path),
            line: Some(line),
            column: Some(column),
            end_line: Some(end_line),
            end_column: Some(end_column),
        }
    }
}

/// One JSON document of many lines, with a newline at the end. `project` is the project's folder; the paths in it are those of
/// the sources, relative to that folder.
///
/// # Errors
/// When the folder's name is no Unicode.
pub fn render_json<'a>(
    diagnostics: impl Iterator<Item = &'a Diagnostic>,
    sources: &'a Sources,
    project: &Path,
) -> serde_json::Result<String> {
    let mut report = Report { project, errors: 0, warnings: 0, diagnostics: Vec::new() };
    for diagnostic in diagnostics {
        *if diagnostic.is_error() { &mut report.errors } else { &mut report.warnings } += 1;
        report.diagnostics.push(record(diagnostic, sources));
    }
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn record<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Record<'a> {
    Record {
        code: diagnostic.rule.code,
        rule: diagnostic.rule.name,
        severity: word(diagnostic.rule.severity),
        message: &diagnostic.message,
        place: Place::of(diagnostic.span, sources),
        label: diagnostic.label.as_deref(),
        help: diagnostic.help.as_deref(),
        related: (diagnostic.related.iter())
            .map(|(span, label)| Related { place: Place::of(*span, sources), label })
            .collect(),
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A workflow command of GitHub Actions: one line, which GitHub shows as an annotation of the file. `folder` is the
/// project's, as the repository sees it.
///
/// ```text
/// ::error file=shop/entities/order.yaml,line=6,endLine=6,col=3,endColumn=8,title=SQ0003::duplicate key `total`
/// ```
#[must_use]
pub fn render_for_github(diagnostic: &Diagnostic, sources: &Sources, folder: &Path) -> String {
    let mut properties = Vec::new();
    let place = Place::of(diagnostic.span, sources);
    if let (Some(file), Some(line), Some(column)) = (place.file, place.line, place.column) {
        properties.push(("file", in_folder(folder, file)));
        properties.push(("line", line.to_string()));
        properties.push(("endLine", line.to_string()));
        properties.push(("col", column.to_string()));
        // GitHub takes no columns of a range of several lines: such a range is shown by its beginning.
        if let Some(end) = place.end_column.filter(|end| place.end_line == Some(line) && *end > column) {
            properties.push(("endColumn", end.to_string()));
        }
    }
    properties.push(("title", diagnostic.rule.code.to_owned()));
    let properties: Vec<_> =
        properties.into_iter().map(|(name, value)| format!("{name}={}", escape_property(&value))).collect();
    let help = diagnostic.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let message: Vec<_> = format!("{}{help}", diagnostic.message).lines().map(normalize_untrusted_str).collect();
    format!("::{} {}::{}", word(diagnostic.rule.severity), properties.join(","), escape_data(&message.join("\n")))
}

/// Files that ship with the compiler are in no folder.
fn in_folder(folder: &Path, file: &str) -> String {
    let folder = folder.to_string_lossy().replace('\\', "/");
    if folder.is_empty() || file.starts_with('<') { file.to_owned() } else { format!("{folder}/{file}") }
}

/// What GitHub asks for in the text of a command.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What GitHub asks for in the values of properties.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        diagnostics::rules::sq0003_duplicate_key::duplicate_key,
        source::{FileId, SourceFile, SourceKind},
    };

    fn sources(path: &str, text: &str) -> Sources {
        Sources::new(vec![SourceFile { path: path.to_owned(), text: text.to_owned(), kind: SourceKind::Entities }])
    }

    fn span(start: u32, end: u32) -> Span {
        Span { file: FileId(0), start, end }
    }

    #[test]
    fn a_record_has_all_that_is_known() {
        let sources = sources("entities/order.yaml", "ä: 1\nü: 2\nä: 3\n");
        let diagnostic = duplicate_key(span(12, 14), span(0, 2), "ä").label("again").help("remove one of them");
        pretty_assertions::assert_eq!(
            serde_json::to_value(record(&diagnostic, &sources)).unwrap(),
            json!({
                "code": "SQ0003", "rule": "duplicate-key", "severity": "error", "message": "duplicate key `ä`",
                "file": "entities/order.yaml", "line": 3, "column": 1, "end_line": 3, "end_column": 2,
                "label": "again", "help": "remove one of them",
                "related": [{
                    "file": "entities/order.yaml", "line": 1, "column": 1, "end_line": 1, "end_column": 2,
                    "label": "first here",
                }],
            })
        );
    }

    #[test]
    fn a_diagnostic_of_no_file_has_no_place() {
        let diagnostic = duplicate_key(Span { file: FileId(9_999), start: 0, end: 1 }, span(0, 1), "a");
        let sources = sources("a.yaml", "a: 1\n");
        let record = serde_json::to_value(record(&diagnostic, &sources)).unwrap();
        assert_eq!(
            (&record["file"], &record["line"], &record["end_column"]),
            (&json!(null), &json!(null), &json!(null))
        );
        let command = render_for_github(&diagnostic, &sources, Path::new("shop"));
        assert!(command.starts_with("::error title=SQ0003::duplicate key `a`"), "{command}");
    }

    #[test]
    fn a_command_is_one_line_whatever_is_in_it() {
        let sources = sources("entities/a,b:c%.yaml", "a: 1\na: 2\n");
        let diagnostic = duplicate_key(span(5, 6), span(0, 1), "a, 100%: x").help("one\r\n::error::two");
        assert_eq!(
            render_for_github(&diagnostic, &sources, Path::new("")),
            "::error file=entities/a%2Cb%3Ac%25.yaml,line=2,endLine=2,col=1,endColumn=2,title=SQ0003\
             ::duplicate key `a, 100%25: x`%0Ahelp: one%0A::error::two"
        );
    }

    #[test]
    fn a_range_of_several_lines_is_shown_by_its_beginning() {
        let sources = sources("entities/order.yaml", "fields:\n  a: 1\n  b: 2\n");
        let command = render_for_github(&duplicate_key(span(10, 22), span(0, 1), "a"), &sources, Path::new("shop"));
        assert!(
            command.starts_with("::error file=shop/entities/order.yaml,line=2,endLine=2,col=3,title="),
            "{command}"
        );
    }

    #[test]
    fn no_span_makes_it_panic() {
        let sources = sources("a.yaml", "ä");
        for (start, end) in [(0, 0), (1, 1), (0, 1), (1, 2), (7, 9), (2, 1), (u32::MAX, u32::MAX)] {
            let diagnostic = duplicate_key(span(start, end), span(0, 9), "a");
            assert!(render_json([&diagnostic].into_iter(), &sources, Path::new("")).unwrap().contains("SQ0003"));
            assert!(render_for_github(&diagnostic, &sources, Path::new("")).contains("SQ0003"));
        }
    }
}
