//! `functions:` of an entity, as they are written.

use std::collections::BTreeSet;

use super::{
    entity::read_type,
    keys::{self, Keys},
    types::TypeSyntax,
};
use crate::{
    diagnostics::{Diagnostic, rules::sq0133_missing_key as missing_key},
    keys::{Key, Shape, Table},
    source::{
        SourceKind, Sources, Spanned,
        yaml::{self, Entry, Node},
    },
};

/// A function that the user writes in SQL, here or elsewhere.
#[derive(Clone, Debug)]
pub struct FunctionSyntax {
    /// Its name.
    pub name: Spanned<String>,
    /// `args:`; types that could not be read are `None`.
    pub args: Vec<(Spanned<String>, Option<TypeSyntax>)>,
    /// `returns:`; `None` where it could not be read.
    pub returns: Option<TypeSyntax>,
    /// `volatility:`.
    pub volatility: Option<Spanned<String>>,
    /// `schema:`.
    pub schema: Option<Spanned<String>>,
    /// `sql:`.
    pub sql: Option<Spanned<String>>,
    /// `file:`.
    pub file: Option<Spanned<String>>,
    /// `language:`.
    pub language: Option<Spanned<String>>,
    /// All of it could be read.
    pub complete: bool,
}

/// A function.
pub static FUNCTION: Table = Table::new(
    "a function",
    &[
        Key::new("args", Shape::Map(&Shape::Type), "its parameters, in their order").default("none"),
        Key::new("returns", Shape::Type, "the type of its value; with `!` it is never NULL").required(),
        Key::new(
            "volatility",
            Shape::Words(&["immutable", "stable", "volatile"]),
            "whether it depends on its arguments alone, reads, or writes",
        )
        .default("`volatile`"),
        Key::new("schema", Shape::Name, "the schema that it is in").default("the entity's"),
        Key::new("sql", Shape::Text, "its body: then the migrations make it")
            .default("none: somebody else makes the function"),
        Key::new("file", Shape::Text, "the `.sql` file that holds its body, from the project's folder: `sql/tax.sql`"),
        Key::new("language", Shape::Words(&["sql", "plpgsql"]), "what its body is written in").default("`sql`"),
    ],
);

/// What a file of a body ends with.
const EXTENSION: &str = ".sql";

/// Whether a path names a `.sql` file by its place in the project's folder, and cannot lead out of that.
#[must_use]
pub fn is_path_of_body(path: &str) -> bool {
    let is_plain = |part: &str| !["", ".", ".."].contains(&part);
    path.split('/').all(is_plain)
        && path.strip_suffix(EXTENSION).is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/'))
        && !path.contains(|c: char| c == '\\' || c == ':' || c.is_control())
}

/// The files that functions name as those of their bodies, whether they are there or not. Paths that lead elsewhere are no names
/// of such files; the check says so.
#[must_use]
pub fn named_files(sources: &Sources) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (id, file) in sources.iter().filter(|(_, file)| file.kind == SourceKind::Entities) {
        // Most files name none, and reading one takes its time.
        if !(file.text.contains("functions") && file.text.contains("file")) {
            continue;
        }
        let (documents, _) = yaml::read(id, &file.text);
        for document in &documents {
            let places = [Some(document), document.get("entity")].into_iter().flatten();
            let functions = places.filter_map(|place| place.get("functions")).flat_map(entries);
            let named = functions.filter_map(|function| function.value.get("file")?.as_text());
            found.extend(named.filter(|path| is_path_of_body(path)).map(str::to_owned));
        }
    }
    found
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        yaml::Value::Mapping(entries) => entries,
        _ => &[],
    }
}

/// Reads `functions:`.
pub(super) fn read_all(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<FunctionSyntax> {
    let entries = keys::mapping(node, "functions", diagnostics).unwrap_or_default();
    entries.iter().map(|entry| read(entry, diagnostics)).collect()
}

fn read(entry: &Entry, diagnostics: &mut Vec<Diagnostic>) -> FunctionSyntax {
    let name = Spanned { value: entry.key.clone(), span: entry.key_span };
    let mut function = FunctionSyntax {
        name,
        args: Vec::new(),
        returns: None,
        volatility: None,
        schema: None,
        sql: None,
        file: None,
        language: None,
        complete: false,
    };
    let Some(keys) = Keys::read(&entry.value, &FUNCTION, diagnostics) else { return function };
    let args = keys.get("args").map(|node| keys::mapping(node, "args", diagnostics));
    function.complete = args != Some(None);
    for entry in args.flatten().unwrap_or_default() {
        let name = Spanned { value: entry.key.clone(), span: entry.key_span };
        function.args.push((name, read_type(&entry.value, diagnostics)));
    }
    match keys.get("returns") {
        Some(node) => function.returns = read_type(node, diagnostics),
        None => diagnostics.push(missing_key::error(entry.key_span, "a function", "returns")),
    }
    function.volatility = keys.text("volatility", diagnostics);
    function.schema = keys.text("schema", diagnostics);
    function.sql = keys.text("sql", diagnostics);
    function.file = keys.text("file", diagnostics);
    function.language = keys.text("language", diagnostics);
    function
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;

    #[test]
    fn a_path_of_a_body_stays_in_the_projects_folder() {
        for path in ["tax.sql", "sql/tax.sql", "sql/sales/net price.sql", "a/.sql/b.sql"] {
            assert!(is_path_of_body(path), "{path}");
        }
        for path in [
            "",
            "sql",
            "sql/tax",
            "sql/tax.txt",
            ".sql",
            "sql/.sql",
            "/etc/tax.sql",
            "../tax.sql",
            "sql/../../tax.sql",
            "./tax.sql",
            "sql//tax.sql",
            "sql\\tax.sql",
            "C:/tax.sql",
            "sql/tax\n.sql",
            "sql/tax.sql/",
        ] {
            assert!(!is_path_of_body(path), "{path}");
        }
    }

    #[test]
    fn files_are_named_beside_the_entity_and_inside_it() {
        let short = "entity: Order\nfunctions:\n  tax: {returns: money, file: sql/tax.sql}\n  net: {returns: money}\n";
        let long = "entity:\n  name: Item\n  functions: {\"gross\": {\"file\": sql/gross.sql}, b: {file: ../b.sql}, c: {file: [x]}}\n";
        let broken = "entity: Bad\nfunctions: {a: {file: sql/a.sql}}\nfields: [\n";
        let file = |path: &str, text: &str| SourceFile::new(path, text, SourceKind::Entities);
        let sources = Sources::new(vec![file("a.yaml", &format!("{short}---\n{long}")), file("b.yaml", broken)]);
        assert_eq!(named_files(&sources).into_iter().collect::<Vec<_>>(), ["sql/gross.sql", "sql/tax.sql"]);
    }
}
