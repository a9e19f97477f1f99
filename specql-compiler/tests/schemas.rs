//! The JSON Schemas for editors accept every file that the compiler accepts, and refuse what shape, keys or words are wrong.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use serde::Deserialize as _;
use specql_compiler::{
    SourceFile, SourceKind, compile,
    internals::{
        build::load,
        reference::{formats::FORMATS, json_schema},
    },
};

fn validator(file: &SourceFile) -> Option<Validator> {
    let name = match file.kind {
        SourceKind::Entities => "entity",
        SourceKind::Registry if file.is_domain_registry() => "domains",
        SourceKind::Registry | SourceKind::BuiltinRegistry => "registry",
        _ => return None,
    };
    let format = FORMATS.iter().find(|format| format.name == name).unwrap();
    Some(jsonschema::validator_for(&json_schema(format)).unwrap())
}

/// What the schema says against a file.
fn complaints(file: &SourceFile, validator: &Validator) -> Vec<String> {
    let documents = serde_yaml::Deserializer::from_str(&file.text);
    let values = documents.map(|document| serde_json::Value::deserialize(document).unwrap());
    values
        .filter(|value| !value.is_null())
        .flat_map(|value| {
            let errors = validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path()));
            errors.collect::<Vec<_>>()
        })
        .collect()
}

/// Every folder of the repository that holds a project.
fn projects(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("entities").is_dir() || folder.join("registry/service_registry.yaml").is_file() {
        found.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && name != "target" && name != "template" {
            projects(&path, found);
        }
    }
}

#[test]
fn whatever_the_compiler_accepts_an_editor_accepts() {
    let mut found = Vec::new();
    projects(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap(), &mut found);
    let mut checked = 0;
    let mut wrong = Vec::new();
    for project in found {
        let Ok(sources) = load(&project) else { continue };
        let compilation = compile(&sources);
        let errors = compilation.diagnostics.iter().filter(|one| one.is_error());
        let broken: BTreeSet<_> = errors.map(|one| one.span.file).collect();
        for (_, file) in sources.iter_all().filter(|(id, _)| !broken.contains(id)) {
            let Some(validator) = validator(file) else { continue };
            let said = complaints(file, &validator);
            if !said.is_empty() {
                wrong.push(format!("{}/{}: {}", project.display(), file.path, said.join("\n  ")));
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 60, "only {checked} files were found");
}

#[test]
fn what_is_wrong_by_its_shape_an_editor_refuses() {
    let wrong = [
        "SQ0110_misspelt_type",
        "SQ0131_wrong_shapes",
        "SQ0132_misspelt_key",
        "SQ0133_missing_keys",
        "SQ0134_later_key",
        "SQ0136_names_in_wrong_case",
        "SQ0141_option_of_a_reference",
        "SQ0201_misspelt_step",
        "SQ0407_settings_out_of_range",
        "SQ0501_misspelt_registry_key",
        "SQ0502_later_keys",
        "SQ0505_values_out_of_range",
        "SQ0508_literal_credential",
        "SQ0514_names_that_rust_cannot_have",
    ];
    for name in wrong {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics").join(name);
        let sources = load(&project).unwrap();
        let refused = sources.iter().any(|(_, file)| validator(file).is_some_and(|v| !complaints(file, &v).is_empty()));
        assert!(refused, "{name}");
    }
}
