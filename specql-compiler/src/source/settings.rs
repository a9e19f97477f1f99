//! `specql.toml`.
//!
//! ```toml
//! entities = "entities"       # folder of the entity files
//! registry = "registry"       # folder of the registry files
//! migrations = "migrations"   # folder of the migrations and the lock
//! use = ["stripe"]            # built-in services to generate although no step calls them
//! ```

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{SourceKind, Sources, Span, Spanned};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0020_invalid_settings::{bad_setting, invalid_toml},
            sq0021_unknown_setting::unknown_setting,
            sq0502_not_implemented::not_implemented,
        },
    },
    keys::{Key, Shape, Table},
};

/// What `specql.toml` says. Everything is optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Folder of the entity files, relative to the project.
    pub entities: String,
    /// Folder of the registry files, relative to the project.
    pub registry: String,
    /// Folder of the migrations and the lock, relative to the project.
    pub migrations: String,
    /// Services to generate although no step calls them.
    pub uses: Vec<Spanned<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            entities: "entities".into(),
            registry: "registry".into(),
            migrations: "migrations".into(),
            uses: Vec::new(),
        }
    }
}

/// `specql.toml`.
pub static FILE: Table = Table::new(
    "`specql.toml`",
    &[
        Key::new("entities", Shape::Text, "the folder of the entity files").default("`entities`"),
        Key::new("registry", Shape::Text, "the folder of the registry files").default("`registry`"),
        Key::new("migrations", Shape::Text, "the folder of the migrations and the lock").default("`migrations`"),
        Key::new("use", Shape::List(&Shape::Name), "built-in services to generate although no step calls them"),
        Key::new("typescript", Shape::Anything, "where TypeScript is written").refused(),
        Key::new("fraiseql", Shape::Anything, "which FraiseQL the metadata are for").refused(),
    ],
);

/// Reads the settings of a project; what is wrong with them keeps its default.
#[must_use]
pub fn read(sources: &Sources, diagnostics: &mut Vec<Diagnostic>) -> Settings {
    let mut settings = Settings::default();
    let Some((id, file)) = sources.iter().find(|(_, file)| file.kind == SourceKind::Settings) else { return settings };
    let at = |range: Range<usize>| Span {
        file: id,
        start: u32::try_from(range.start).unwrap_or(u32::MAX),
        end: u32::try_from(range.end).unwrap_or(u32::MAX),
    };
    let table = match DeTable::parse(&file.text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            diagnostics.push(invalid_toml(at(error.span().unwrap_or_default()), error.message()));
            return settings;
        }
    };
    for (key, value) in &table {
        let span = at(value.span());
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("entities", DeValue::String(folder)) => folder_name(folder, span, &mut settings.entities, diagnostics),
            ("registry", DeValue::String(folder)) => folder_name(folder, span, &mut settings.registry, diagnostics),
            ("migrations", DeValue::String(folder)) => folder_name(folder, span, &mut settings.migrations, diagnostics),
            ("entities" | "registry" | "migrations", _) => {
                diagnostics.push(bad_setting(span, format!("`{}` takes the name of a folder", key.get_ref())));
            }
            ("use", DeValue::Array(services)) => {
                for service in services {
                    let span = at(service.span());
                    match service.get_ref() {
                        DeValue::String(name) => settings.uses.push(Spanned { value: name.to_string(), span }),
                        _ => diagnostics.push(bad_setting(span, "`use` takes names of services".to_owned())),
                    }
                }
            }
            ("use", _) => diagnostics.push(bad_setting(span, "`use` takes a list of names of services".to_owned())),
            (name, _) => diagnostics.push(match FILE.key(name) {
                Some(_) => not_implemented(at(key.span()), &format!("`{name}`")),
                None => unknown_setting(at(key.span()), name, FILE.names()),
            }),
        }
    }
    settings
}

/// A folder inside the project, so that one project never reads or writes another's files.
fn folder_name(folder: &str, span: Span, setting: &mut String, diagnostics: &mut Vec<Diagnostic>) {
    let inside = !folder.is_empty() && !folder.starts_with('/') && !folder.contains(['\\', ':', '\0']);
    if inside && folder.split('/').all(|part| part != "..") {
        folder.clone_into(setting);
    } else {
        diagnostics.push(bad_setting(span, format!("`{folder}` is no folder inside the project")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostics, source::SourceFile};

    fn settings(text: &str) -> (Settings, String) {
        let file = SourceFile { path: "specql.toml".into(), text: text.into(), kind: SourceKind::Settings };
        let sources = Sources::new(vec![file]);
        let mut found = Vec::new();
        let settings = read(&sources, &mut found);
        let shown: Vec<String> = found.iter().map(|one| diagnostics::render(one, &sources, false)).collect();
        (settings, shown.join("\n\n"))
    }

    #[test]
    fn everything_is_optional() {
        assert_eq!(settings(""), (Settings::default(), String::new()));
        let mut none = Vec::new();
        assert_eq!(read(&Sources::default(), &mut none), Settings::default());
    }

    #[test]
    fn folders_and_services_are_read() {
        let (read, shown) = settings("entities = \"model\"\nuse = [\"stripe\", 'slack']\n");
        assert_eq!(shown, "");
        assert_eq!(read.entities, "model");
        assert_eq!(read.uses.iter().map(|name| name.value.as_str()).collect::<Vec<_>>(), ["stripe", "slack"]);
    }

    #[test]
    fn an_unknown_setting_is_an_error_with_the_nearest_known_one() {
        pretty_assertions::assert_eq!(
            settings("# ü\nentites = \"model\"\n").1,
            "\
error[SQ0021]: unknown setting `entites`
 --> specql.toml:2:1
  |
2 | entites = \"model\"
  | ^^^^^^^
  |
  = help: did you mean `entities`?"
        );
    }

    #[test]
    fn a_setting_of_a_later_version_is_named() {
        assert!(settings("[typescript]\nout = \"web\"\n").1.starts_with("error[SQ0502]: `typescript`"));
    }

    #[test]
    fn a_folder_outside_the_project_and_a_wrong_type_are_errors() {
        for text in [
            "entities = \"../a\"",
            "registry = \"/etc\"",
            "use = \"stripe\"",
            "use = [1]",
            "migrations = 1",
            "a = ",
            "x",
        ] {
            let (read, shown) = settings(text);
            assert!(shown.starts_with("error[SQ0020]"), "{text}: {shown}");
            assert_eq!((read.entities.as_str(), read.registry.as_str()), ("entities", "registry"), "{text}");
        }
    }
}
