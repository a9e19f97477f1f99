//! Errors and warnings for the person who writes the YAML.
//!
//! [`rules`] holds one file per rule: its code, its page of the error manual and the functions that make its
//! diagnostics. [`render()`] draws a diagnostic with its excerpt; [`render_json()`] and [`render_for_github()`] write for
//! programs; [`suggest()`] finds the name that was meant.

pub mod rules;

mod machine;
mod manual;
mod render;
mod suggest;

pub use machine::{render_for_github, render_json};
pub use manual::manual;
pub use render::{render, render_for_rustc, render_line};
pub use suggest::{help_for, suggest};

use crate::source::Span;

/// Something to say about the sources.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Which rule was broken.
    pub rule: &'static Rule,
    /// What is wrong: lower case, names in back-ticks, no full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A word or two at the span itself.
    pub label: Option<String>,
    /// Further places that explain it, each with a label.
    pub related: Vec<(Span, String)>,
    /// What would be right.
    pub help: Option<String>,
    /// The text at the span is a secret: excerpts show asterisks in its place.
    pub masked: bool,
}

/// A rule: one file of `rules/` each.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// `SQ0102`.
    pub code: &'static str,
    /// `unknown-field`.
    pub name: &'static str,
    /// Errors stop the build.
    pub severity: Severity,
    /// The page of the error manual: Markdown with a wrong and a right example.
    pub explanation: &'static str,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Stops the build.
    Error,
    /// Is shown.
    Warning,
}

impl Diagnostic {
    /// A diagnostic without label or help.
    #[must_use]
    pub(crate) fn new(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), span, label: None, related: Vec::new(), help: None, masked: false }
    }

    /// With words at the span.
    #[must_use]
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With what would be right.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a help where there is one.
    #[must_use]
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// With asterisks for the text at the span: build logs are kept and shared.
    #[must_use]
    pub(crate) fn masked(mut self) -> Self {
        self.masked = true;
        self
    }

    /// With a further place that explains it.
    #[must_use]
    pub(crate) fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// Whether it stops the build.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.rule.severity == Severity::Error
    }
}
