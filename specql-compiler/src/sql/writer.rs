//! A tiny indenting writer for SQL text.

use std::fmt::Write as _;

/// Lines longer than this are broken where they hold a list.
const WIDTH: usize = 110;

/// Spaces for each step inwards.
const INDENT: usize = 4;

/// Collects lines, each indented by the depth at which it was written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// One line. Text of several lines is indented line by line.
    pub(super) fn line(&mut self, text: impl AsRef<str>) {
        for line in text.as_ref().split('\n') {
            if !line.is_empty() {
                let _ = write!(self.text, "{:width$}{line}", "", width = self.depth * INDENT);
            }
            self.text.push('\n');
        }
    }

    /// An empty line, unless there is one, or nothing, before it.
    pub(super) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// What `body` writes, one step further in.
    pub(super) fn indent(&mut self, body: impl FnOnce(&mut Self)) {
        self.open();
        body(self);
        self.close();
    }

    /// One step further in from here on, until [`Self::close`].
    pub(super) fn open(&mut self) {
        self.depth += 1;
    }

    /// Ends [`Self::open`].
    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// All of it, without a newline at the end.
    pub(super) fn finish(self) -> String {
        self.text.trim_end_matches('\n').to_owned()
    }
}

/// `before item, item, … after`, on one line where it fits, else an item a line.
pub(super) fn list<T: AsRef<str>>(before: &str, items: &[T], after: &str) -> String {
    let flat: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    let line = format!("{before}{}{after}", flat.join(", "));
    if line.len() <= WIDTH && !line.contains('\n') {
        return line;
    }
    let items: Vec<String> = flat.iter().map(|item| indented(item)).collect();
    let end = if after.is_empty() { String::new() } else { format!("\n{}", after.trim_start()) };
    format!("{}\n{}{end}", before.trim_end(), items.join(",\n"))
}

/// `before item, item, …`, filled line by line: for lists that nobody reads item by item.
pub(super) fn filled<T: AsRef<str>>(before: &str, items: &[T]) -> String {
    let hanging = if before.is_empty() { 0 } else { INDENT };
    let mut out = before.to_owned();
    let mut length = before.len();
    for (index, item) in items.iter().map(AsRef::as_ref).enumerate() {
        let comma = if index + 1 < items.len() { "," } else { "" };
        if index > 0 && length + item.len() + 2 > WIDTH {
            out.push_str(&format!("\n{:hanging$}", ""));
            length = hanging;
        } else if index > 0 || !before.is_empty() {
            out.push(' ');
            length += 1;
        }
        out.push_str(item);
        out.push_str(comma);
        length += item.len() + comma.len();
    }
    out
}

/// Text with every line moved in by one step.
pub(super) fn indented(text: &str) -> String {
    text.split('\n')
        .map(|line| if line.is_empty() { String::new() } else { format!("    {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_stay_on_a_line_and_long_ones_do_not() {
        assert_eq!(list("f(", &["a", "b"], ")"), "f(a, b)");
        let long = "x".repeat(60);
        assert_eq!(list("f(", &[&long, &long], ")"), format!("f(\n    {long},\n    {long}\n)"));
    }

    #[test]
    fn depth_indents_every_line() {
        let mut writer = Writer::default();
        writer.line("BEGIN");
        writer.indent(|w| w.line("a\nb"));
        writer.line("END");
        assert_eq!(writer.finish(), "BEGIN\n    a\n    b\nEND");
    }
}
