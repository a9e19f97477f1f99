//! Objects that come in as SQL: the static files of schemas `app` and `jobs`, and the snapshots of earlier versions, which had
//! nothing but statements. What a migration has to know of them is read here, once; behind this it is data.
//!
//! Not a parser of SQL: of the ways in which SpecQL writes it.

mod names;
mod signature;
mod table;

use super::{
    facts::{Facts, Index, Reference},
    object::{Definition, Object, ObjectKind, Schema},
    quote::qualified,
};

/// The facts of an object that these statements make.
fn facts(kind: ObjectKind, create: &[String]) -> Facts {
    let known = match kind {
        ObjectKind::Schema => {
            let described = create.iter().any(|text| text.contains("COMMENT ON SCHEMA "));
            Some(Facts::Schema { described })
        }
        ObjectKind::Table if create.iter().any(|text| text.contains(" PARTITION OF ")) => Some(Facts::Partition),
        ObjectKind::Table => table::read(create).map(Facts::Table),
        ObjectKind::Index => index(create).map(Facts::Index),
        ObjectKind::Constraint => reference(create).map(Facts::Reference),
        ObjectKind::Function => signature::read(create).map(Facts::Function),
        ObjectKind::View => view(create),
        ObjectKind::Data => callback(create),
        ObjectKind::Grant => all_functions(create),
        ObjectKind::Role | ObjectKind::Type | ObjectKind::Trigger | ObjectKind::Policy => None,
    };
    known.unwrap_or_default()
}

/// The object that these statements make, with what is read of it alone: not what it needs.
#[must_use]
pub fn object(kind: ObjectKind, name: &str, create: Vec<String>) -> Object {
    let facts = facts(kind, &create);
    Object::made_by(kind, name, create).known_as(facts)
}

/// A snapshot of a version that wrote statements alone, with all that is read from them.
pub fn complete(schema: &mut Schema) {
    for object in schema.objects.iter_mut().chain(&mut schema.retired) {
        let kind = object.kind;
        match &mut object.definition {
            Definition::Statements { create, facts: known, .. } => *known = facts(kind, create),
            Definition::Table(table) => table::read_rules(table),
        }
    }
    names::resolve(&mut schema.objects, &[]);
    names::resolve(&mut schema.retired, &schema.objects);
}

/// The words of an expression that stand in no literal.
pub(crate) fn words_of_code(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let is_end = move |character: char| {
        quoted ^= character == '\'';
        quoted || !names::in_name(character)
    };
    text.split(is_end).filter(|word| !word.is_empty()).collect()
}

/// Finds what each of these objects needs, among themselves and others.
pub fn resolve(objects: &mut [Object], others: &[Object]) {
    names::resolve(objects, others);
}

/// The only statement, without the comments before it, in one line.
fn only(create: &[String]) -> Option<String> {
    let [text] = create else { return None };
    Some(words(&without_comments(text)))
}

fn index(create: &[String]) -> Option<Index> {
    let text = only(create)?;
    let (unique, rest) = match text.strip_prefix("CREATE UNIQUE INDEX ") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("CREATE INDEX ")?),
    };
    let (_, rest) = rest.split_once(" ON ")?;
    let (head, rest) = rest.split_once(" (")?;
    let (table, method) = match head.split_once(" USING ") {
        Some((table, method)) => (table, Some(method.to_owned())),
        None => (head, None),
    };
    let end = closing(rest)?;
    Some(Index {
        table: table.to_owned(),
        unique,
        method,
        keys: items(rest.get(..end)?),
        suffix: behind(rest.get(end + 1..)?),
    })
}

fn reference(create: &[String]) -> Option<Reference> {
    let text = only(create)?;
    let (table, rest) = text.strip_prefix("ALTER TABLE ")?.split_once(" ADD CONSTRAINT ")?;
    let (_, rest) = rest.split_once(" FOREIGN KEY (")?;
    let end = closing(rest)?;
    let columns = items(rest.get(..end)?);
    let (target, rest) = rest.get(end + 1..)?.strip_prefix(" REFERENCES ")?.split_once(" (")?;
    let end = closing(rest)?;
    Some(Reference {
        table: table.to_owned(),
        columns,
        target: target.to_owned(),
        target_columns: items(rest.get(..end)?),
        suffix: behind(rest.get(end + 1..)?),
    })
}

/// An entity's view: its columns, one of which is a document.
fn view(create: &[String]) -> Option<Facts> {
    let (before, document) = create.first()?.split_once("jsonb_build_object(")?;
    let (behind, _) = document.rsplit_once(" AS data")?.1.split_once("\nFROM ")?;
    let (head, list) = before.split_once(" AS\nSELECT\n")?;
    let named = |list: &str| {
        let columns = list.split(',').map(str::trim).filter(|column| !column.is_empty());
        columns.map(|column| column.strip_prefix("t.").map(str::to_owned)).collect::<Option<Vec<_>>>()
    };
    let columns = [named(list)?, vec!["data".to_owned()], named(behind)?].concat();
    Some(Facts::View { columns, invoker: head.ends_with(" WITH (security_invoker = true)") })
}

/// The row of a callback, which has the schema and the name of its function.
fn callback(create: &[String]) -> Option<Facts> {
    let rest = create.first()?.strip_prefix("INSERT INTO jobs.tb_callback (")?;
    let (columns, rest) = rest.split_once(") VALUES (").or_else(|| rest.split_once(")\nVALUES ("))?;
    let values: Vec<&str> = split_at(rest.get(..closing(rest)?)?, ',').into_iter().map(str::trim).collect();
    let value = |name: &str| {
        let at = columns.split(", ").position(|column| column == name)?;
        let text = values.get(at)?.strip_prefix('\'')?.strip_suffix('\'')?;
        Some(text.replace("''", "'"))
    };
    Some(Facts::Callback { function: qualified(&value("schema_name")?, &value("function_name")?) })
}

fn all_functions(create: &[String]) -> Option<Facts> {
    let text = only(create)?;
    let (_, rest) = text.split_once(" ON ALL FUNCTIONS IN SCHEMA ")?;
    let (schema, _) = rest.split_once(' ')?;
    Some(Facts::AllFunctions { schema: schema.to_owned() })
}

fn behind(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Without the lines that are comments.
fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.fold(String::new(), |mut text, line| {
        text.push_str(line);
        text.push('\n');
        text
    })
}

/// What stands between commas, each in one line.
fn items(text: &str) -> Vec<String> {
    split_at(text, ',').into_iter().map(words).filter(|item| !item.is_empty()).collect()
}

/// The parts of a text between the separators that stand in no parentheses and no literal.
fn split_at(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ if character == separator && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Where the parenthesis that is open at the start of `text` closes.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (1, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// One blank between words, so that a line's breaks are no difference.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
