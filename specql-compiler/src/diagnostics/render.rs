//! Diagnostics as text, in the layout that people know from rustc.

use std::{borrow::Cow, ops::Range};

use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet, Title, normalize_untrusted_str,
};

use super::{Diagnostic, Severity};
use crate::source::{FileId, SourceFile, Sources, Span};

/// A diagnostic with code, position, excerpt and help; many lines, without a newline at the end.
///
/// ```text
/// error[SQ0003]: duplicate key `total`
///  --> entities/order.yaml:6:3
///   |
/// 6 |   total: text
///   |   ^^^^^
///   |
///   = help: remove one of them
/// ```
#[must_use]
pub fn render(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let level = match diagnostic.rule.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.rule.code);
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    draw(title, diagnostic, sources, &renderer)
}

/// The same for `compile_error!`, before which rustc writes `error: ` itself: the code stands behind the message.
///
/// ```text
/// duplicate key `total` [SQ0003]
///  --> entities/order.yaml:6:3
/// ```
#[must_use]
pub fn render_for_rustc(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let title = format!("{} [{}]", diagnostic.message, diagnostic.rule.code);
    draw(Level::ERROR.no_name().primary_title(title), diagnostic, sources, &Renderer::plain())
}

fn draw(title: Title<'_>, diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let mut group = Group::with_title(title);
    for snippet in snippets(diagnostic, sources) {
        group = group.element(snippet);
    }
    if let Some(help) = &diagnostic.help {
        let lines: Vec<String> = help.lines().map(normalize_untrusted_str).collect();
        group = group.element(Level::HELP.message(lines.join("\n")));
    }
    renderer.render(&[group])
}

/// One line, for `cargo::warning=`: `entities/order.yaml:6:3: duplicate key [SQ0003]`.
#[must_use]
pub fn render_line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let path = sources.get(diagnostic.span.file).map_or("specql", |file| file.path.as_str());
    let (line, column) = sources.line_column(diagnostic.span.file, diagnostic.span.start);
    let message = normalize_untrusted_str(&diagnostic.message).replace('\n', " ");
    format!("{path}:{line}:{column}: {message} [{}]", diagnostic.rule.code)
}

/// The longest line, and the longest piece of a file, that an excerpt shows. Longer ones help nobody, and a file of one
/// long line with thousands of mistakes would be drawn for minutes.
const LONGEST_LINE: usize = 1_000;
const LONGEST_EXCERPT: usize = 64 << 10;

/// An excerpt for each file that is concerned, the diagnostic's own first; the place alone where an excerpt is too long.
fn snippets<'a>(diagnostic: &Diagnostic, sources: &'a Sources) -> Vec<Element<'a>> {
    let mut files: Vec<FileId> = vec![diagnostic.span.file];
    for (span, _) in &diagnostic.related {
        if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    let known = files.into_iter().filter_map(|id| Some((id, sources.get(id)?)));
    known
        .map(|(id, file)| {
            let related = || diagnostic.related.iter().filter(move |(span, _)| span.file == id);
            let primary = Some(diagnostic.span).filter(|span| span.file == id);
            let spans = || primary.into_iter().chain(related().map(|(span, _)| *span));
            let lines = lines_of(file, spans());
            let is_long = |line: &str| line.len() > LONGEST_LINE;
            if lines.len() > LONGEST_EXCERPT || text(file)[lines.clone()].lines().any(is_long) {
                let (line, column) = spans().next().map_or((1, 1), |span| sources.line_column(id, span.start));
                return Origin::path(file.path.as_str()).line(line as usize).char_column(column as usize).into();
            }
            let first = text(file)[..lines.start].matches('\n').count() + 1;
            let mut snippet = Snippet::source(shown_text(diagnostic, id, file, lines.clone()))
                .path(file.path.as_str())
                .line_start(first);
            let within = |span| {
                let range = range(file, span);
                range.start - lines.start..range.end - lines.start
            };
            if let Some(span) = primary {
                let mut primary = AnnotationKind::Primary.span(within(span));
                if let Some(label) = &diagnostic.label {
                    primary = primary.label(normalize_untrusted_str(label));
                }
                snippet = snippet.annotation(primary);
            }
            for (span, label) in related() {
                let context = AnnotationKind::Context.span(within(*span));
                snippet = snippet.annotation(context.label(normalize_untrusted_str(label)));
            }
            snippet.into()
        })
        .collect()
}

/// The lines on which spans begin, in [`text`].
fn lines_of(file: &SourceFile, spans: impl Iterator<Item = Span>) -> Range<usize> {
    let text = text(file);
    let (start, end) = spans
        .map(|span| range(file, span))
        .fold((text.len(), 0), |(start, end), range| (start.min(range.start), end.max(range.end)));
    let start = start.min(end);
    let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let last = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);
    first..last
}

/// These lines of a file as they may be shown: without the characters that the renderer lets through and some terminals
/// obey, and with asterisks for a secret that the diagnostic is about.
fn shown_text<'a>(diagnostic: &Diagnostic, id: FileId, file: &'a SourceFile, lines: Range<usize>) -> Cow<'a, str> {
    let text = masked_text(diagnostic, id, file, lines);
    if !text.contains(is_obeyed) {
        return text;
    }
    // As many bytes as before, so that positions stay what they are.
    let shown = |c: char| {
        if !is_obeyed(c) {
            c
        } else if c.len_utf8() == 2 {
            '\u{bf}'
        } else {
            '\u{fffd}'
        }
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// The second set of control characters, and the separators of lines and paragraphs.
const fn is_obeyed(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

fn masked_text<'a>(diagnostic: &Diagnostic, id: FileId, file: &'a SourceFile, lines: Range<usize>) -> Cow<'a, str> {
    let text = &text(file)[lines.clone()];
    if !diagnostic.masked || id != diagnostic.span.file {
        return Cow::Borrowed(text);
    }
    let secret = whole_range(file, diagnostic.span);
    let secret = secret.start - lines.start..secret.end.min(lines.end) - lines.start;
    // As many bytes as before, so that positions stay what they are.
    let mask = |c: char| if c == '\n' || c == '\r' { c.to_string() } else { "*".repeat(c.len_utf8()) };
    let masked: String = text[secret.clone()].chars().map(mask).collect();
    Cow::Owned(format!("{}{masked}{}", &text[..secret.start], &text[secret.end..]))
}

/// A byte order mark is invisible in the file and would be a sign in the excerpt.
fn text(file: &SourceFile) -> &str {
    file.text.strip_prefix('\u{feff}').unwrap_or(&file.text)
}

/// The span in [`text`] up to the end of its first line: an excerpt of a whole mapping helps nobody.
fn range(file: &SourceFile, span: Span) -> Range<usize> {
    let whole = whole_range(file, span);
    let end = text(file)[whole.clone()].find(['\n', '\r']).map_or(whole.end, |length| whole.start + length);
    whole.start..end
}

/// The span in [`text`], on character boundaries whatever was asked for.
fn whole_range(file: &SourceFile, span: Span) -> Range<usize> {
    let text = text(file);
    let skipped = file.text.len() - text.len();
    let boundary = |offset: u32| {
        let mut offset = (offset as usize).saturating_sub(skipped).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = boundary(span.start);
    start..boundary(span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::rules::sq0003_duplicate_key::duplicate_key,
        source::{SourceFile, SourceKind},
    };

    fn sources(text: &str) -> Sources {
        let path = "entities/order.yaml".to_owned();
        Sources::new(vec![SourceFile { path, text: text.to_owned(), kind: SourceKind::Entities }])
    }

    fn span(start: u32, end: u32) -> Span {
        Span { file: FileId(0), start, end }
    }

    #[test]
    fn a_place_in_an_endless_line_is_told_without_the_line() {
        let sources = sources(&format!("a: 1\n{}a: 2\n", " ".repeat(LONGEST_LINE)));
        let shown = render(&duplicate_key(span(1_005, 1_006), span(0, 1), "a"), &sources, false);
        assert_eq!(shown.lines().next(), Some("error[SQ0003]: duplicate key `a`"), "{shown}");
        assert!(shown.contains("entities/order.yaml:2:1001") && shown.len() < 300, "{shown}");
    }

    #[test]
    fn an_error_shows_code_position_excerpt_and_related_place() {
        let sources = sources("fields:\n  total: text\n  total: money\n");
        let text = render(&duplicate_key(span(24, 29), span(10, 15), "total"), &sources, false);
        pretty_assertions::assert_eq!(
            text,
            "\
error[SQ0003]: duplicate key `total`
 --> entities/order.yaml:3:3
  |
2 |   total: text
  |   ----- first here
3 |   total: money
  |   ^^^^^
  |
  = help: a key stands once in a mapping; remove or rename one of them"
        );
    }

    #[test]
    fn for_rustc_the_message_comes_first_and_the_code_behind_it() {
        let sources = sources("total: text\ntotal: money\n");
        let text = render_for_rustc(&duplicate_key(span(12, 17), span(0, 5), "total"), &sources);
        assert!(text.starts_with("duplicate key `total` [SQ0003]\n --> entities/order.yaml:2:1\n"), "{text}");
        assert!(text.ends_with("= help: a key stands once in a mapping; remove or rename one of them"), "{text}");
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let sources = sources("\u{feff}ä: 1\r\nö: 'ü' # ß\r\n");
        assert_eq!(
            render_line(&duplicate_key(span(14, 18), span(3, 5), "ü"), &sources),
            "entities/order.yaml:2:4: duplicate key `ü` [SQ0003]"
        );
    }

    #[test]
    fn no_span_makes_it_panic() {
        let sources = sources("ä");
        for (start, end) in [(0, 0), (1, 1), (0, 1), (1, 2), (7, 9), (2, 1), (u32::MAX, u32::MAX)] {
            assert!(render(&duplicate_key(span(start, end), span(0, 9), "a"), &sources, true).contains("SQ0003"));
        }
        assert!(render(&duplicate_key(span(0, 1), span(0, 1), "a"), &Sources::default(), false).contains("duplicate"));
    }

    #[test]
    fn control_characters_of_a_source_never_reach_the_terminal() {
        let sources = sources("a: 1\n");
        let text = render(&duplicate_key(span(0, 1), span(0, 1), "\u{1b}[31m"), &sources, false);
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
