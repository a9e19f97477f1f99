//! The crate's public items are a promise to users. What our own crates need besides is in `internals`.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree, Visibility};

/// All public items of `lib.rs`. A further one is a decision, and a removed or renamed one breaks users.
const PUBLIC: [&str; 17] = [
    "Compilation",
    "Diagnostic",
    "FileId",
    "FileName",
    "MigrationError",
    "Mode",
    "Project",
    "Refusal",
    "Rule",
    "Severity",
    "SourceFile",
    "SourceKind",
    "Sources",
    "Span",
    "build",
    "compile",
    "render",
];

/// The items of a file of the crate's sources.
fn items(file: &str) -> Vec<Item> {
    let path = format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"));
    syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap().items
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string() == "# [doc (hidden)]")
}

/// The names that a `use` brings in; `*` for all of a module.
fn names(tree: &UseTree) -> Vec<String> {
    match tree {
        UseTree::Path(path) => names(&path.tree),
        UseTree::Name(name) => vec![name.ident.to_string()],
        UseTree::Rename(rename) => vec![rename.rename.to_string()],
        UseTree::Glob(_) => vec!["*".to_owned()],
        UseTree::Group(group) => group.items.iter().flat_map(names).collect(),
    }
}

#[test]
fn the_api_is_what_users_need_and_no_module() {
    let is_public = |visibility: &Visibility| matches!(visibility, Visibility::Public(_));
    let (mut shown, mut hidden) = (Vec::new(), Vec::new());
    for item in items("lib.rs") {
        match item {
            Item::Mod(module) if is_public(&module.vis) => {
                let list = if is_hidden(&module.attrs) { &mut hidden } else { &mut shown };
                list.push(module.ident.to_string());
            }
            Item::Use(used) if is_public(&used.vis) => shown.extend(names(&used.tree)),
            Item::Mod(_) | Item::Use(_) => {}
            other => panic!("lib.rs only names modules and what is public of them: {}", other.to_token_stream()),
        }
    }
    shown.sort_unstable();
    assert_eq!(shown, PUBLIC, "the public items of lib.rs");
    assert_eq!(hidden, ["internals"], "only one module is public without being part of the API");
}

/// What may grow: the file, the type, and the fields or variants of it that users see today.
const GROWING: [(&str, &str, &[&str]); 9] = [
    ("build/error.rs", "MigrationError", &["Io", "Broken", "Refused"]),
    ("build/project.rs", "Project", &["sources"]),
    ("compile.rs", "Compilation", &["diagnostics"]),
    ("diagnostics/mod.rs", "Diagnostic", &["rule", "message", "span", "label", "related", "help", "masked"]),
    ("diagnostics/mod.rs", "Rule", &["code", "name", "severity", "explanation"]),
    ("diagnostics/mod.rs", "Severity", &["Error", "Warning"]),
    ("outputs.rs", "Mode", &["Write", "Compare"]),
    ("source/mod.rs", "SourceFile", &["path", "text", "kind"]),
    (
        "source/mod.rs",
        "SourceKind",
        &["Settings", "Entities", "Registry", "BuiltinRegistry", "Lock", "Migration", "Body"],
    ),
];

#[test]
fn a_new_field_or_variant_breaks_no_user() {
    for (file, name, seen) in GROWING {
        let found = items(file).into_iter().find_map(|item| match item {
            Item::Enum(item) if item.ident == name => {
                let variants = item.variants.iter().map(|variant| variant.ident.to_string()).collect();
                Some((item.attrs, variants))
            }
            Item::Struct(item) if item.ident == name => {
                let fields = item.fields.iter().filter(|field| !is_hidden(&field.attrs));
                let names = fields.filter_map(|field| field.ident.as_ref()).map(ToString::to_string).collect();
                Some((item.attrs, names))
            }
            _ => None,
        });
        let (attributes, names): (Vec<Attribute>, Vec<String>) = found.unwrap_or_else(|| panic!("{file}: no {name}"));
        assert!(attributes.iter().any(|it| it.path().is_ident("non_exhaustive")), "{file}: {name} may grow");
        assert_eq!(names, seen, "{file}: what users see of {name}");
    }
}
