//! Sources: files in memory, positions in them, and the bounded YAML reader.

pub mod settings;
pub mod yaml;

use std::fmt;

/// The files of a project, in memory. Order does not matter: [`Sources::new`] sorts by path.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// Of each file, where its lines begin: every emitted comment asks for a line.
    lines: Vec<Vec<usize>>,
}

/// One file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceFile {
    /// Path as it is shown to people: relative to the project, with `/`.
    pub path: String,
    /// The text.
    pub text: String,
    /// What it is read as.
    pub kind: SourceKind,
}

/// What a file is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// `specql.toml`.
    Settings,
    /// An entity file.
    Entities,
    /// A registry file of the project.
    Registry,
    /// A registry file that ships with the compiler.
    BuiltinRegistry,
    /// `migrations/specql.lock`. Read by `migrations` alone.
    Lock,
    /// A migration file. Read by `migrations` alone.
    Migration,
    /// The body of a function: a `.sql` file that an entity names.
    Body,
}

impl SourceFile {
    /// A file of this path, as it is shown to people, with this text.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>, kind: SourceKind) -> Self {
        Self { path: path.into(), text: text.into(), kind }
    }

    /// Whether it is the list of domains, which stands among the registry's files but holds no services.
    #[doc(hidden)]
    #[must_use]
    pub fn is_domain_registry(&self) -> bool {
        self.kind == SourceKind::Registry && self.path.rsplit('/').next() == Some("domain_registry.yaml")
    }
}

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value with the place where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// A line of a source, for the comments in emitted code: `entities/order.yaml:12`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Path of the file.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

impl Sources {
    /// Takes the files of a project, in any order, and adds the registry files that ship with the compiler behind them.
    #[must_use]
    pub fn new(mut files: Vec<SourceFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.extend(specql_registry::builtin::FILES.iter().map(|(name, text)| SourceFile {
            path: format!("<built-in>/{name}"),
            text: (*text).to_owned(),
            kind: SourceKind::BuiltinRegistry,
        }));
        let starts = |file: &SourceFile| {
            let ends = file.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect()
        };
        Self { lines: files.iter().map(starts).collect(), files }
    }

    /// The project's files with their ids, in path order.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.iter_all().filter(|(_, file)| file.kind != SourceKind::BuiltinRegistry)
    }

    /// The project's files, and behind them those that ship with the compiler.
    #[doc(hidden)]
    pub fn iter_all(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId(u32::try_from(index).unwrap_or(u32::MAX)), file))
    }

    /// The file of that id.
    #[must_use]
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// Line and column (both from 1; the column counts characters) of a byte offset.
    #[must_use]
    pub fn line_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        let (Some(text), Some(lines)) = (self.get(file).map(|file| &file.text), self.lines.get(file.0 as usize)) else {
            return (1, 1);
        };
        let end = Some(offset as usize).filter(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
        let line = lines.partition_point(|start| *start <= end);
        let before = lines.get(line.saturating_sub(1)).and_then(|start| text.get(*start..end)).unwrap_or_default();
        // A byte order mark takes no column.
        let column = before.trim_start_matches('\u{feff}').chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The line on which a span starts.
    #[must_use]
    pub(crate) fn origin(&self, span: Span) -> Origin {
        Origin {
            path: self.get(span.file).map(|file| file.path.clone()).unwrap_or_default(),
            line: self.line_column(span.file, span.start).0,
        }
    }
}
