//! Errors and warnings for the person who writes the YAML.

use crate::source::Span;

/// Something to say about the sources.
#[derive(Clone, Debug)]
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
}

/// A rule: one file of `rules/` each.
#[derive(Debug)]
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
pub enum Severity {
    /// Stops the build.
    Error,
    /// Is shown.
    Warning,
}

impl Diagnostic {
    /// A diagnostic without label or help.
    #[must_use]
    pub fn new(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), span, label: None, related: Vec::new(), help: None }
    }

    /// With words at the span.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it stops the build.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.rule.severity == Severity::Error
    }
}
