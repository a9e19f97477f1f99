//! `PROJECT`: what the runtime must know of a project.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{ProjectParts, docs};
use crate::{
    migrations::MigrationPart,
    model::{Model, function::Declared},
};

pub(super) fn project(model: &Model, project: &ProjectParts) -> TokenStream {
    let doc = docs::doc(["The project: its migrations and the services it may call."]);
    let name = &project.name;
    let version = env!("CARGO_PKG_VERSION");
    let migrations = project.migrations.iter().map(migration);
    // A registry is plain data with text keys, which is always JSON; an empty one is what the worker refuses clearly.
    let registry = text(&serde_json::to_string_pretty(&model.registry).unwrap_or_default());
    let uses_jobs = model.uses_jobs;
    let functions = project.functions.iter().map(function);
    quote! {
        #doc
        #[allow(dead_code, unreachable_pub)]
        pub static PROJECT: ::specql_runtime::Project = ::specql_runtime::Project {
            name: #name,
            root: ::core::env!("CARGO_MANIFEST_DIR"),
            compiler_version: #version,
            migrations: &[#(#migrations),*],
            registry: #registry,
            uses_jobs: #uses_jobs,
            functions: &[#(#functions),*],
        };
    }
}

fn migration(migration: &MigrationPart) -> TokenStream {
    let MigrationPart { description, open, .. } = migration;
    let version = Literal::i64_unsuffixed(migration.version);
    // As sqlx has it.
    let description = description.replace('_', " ");
    let sql = text(&migration.sql);
    let reverse = match &migration.reverse {
        None => quote!(None),
        Some(reverse) => {
            let reverse = text(reverse);
            quote!(Some(#reverse))
        }
    };
    let replaces = migration.replaces.iter().map(|(version, checksum)| {
        let version = Literal::i64_unsuffixed(*version);
        quote!((#version, #checksum))
    });
    quote! {
        ::specql_runtime::Migration {
            version: #version, description: #description, sql: #sql, open: #open, reverse: #reverse,
            replaces: &[#(#replaces),*],
        }
    }
}

fn function(function: &Declared) -> TokenStream {
    let Declared { shown, schema, name, arguments, probe } = function;
    let arguments = Literal::usize_unsuffixed(*arguments);
    quote! {
        ::specql_runtime::DeclaredFunction {
            shown: #shown, schema: #schema, name: #name, arguments: #arguments, probe: #probe,
        }
    }
}

/// A text of several lines as a raw literal, which people can read; any other as an ordinary one.
fn text(text: &str) -> Literal {
    if text.contains('\n') && !text.contains('\r') {
        let mut hashes = "#".to_owned();
        while text.contains(&format!("\"{hashes}")) {
            hashes.push('#');
        }
        if let Ok(literal) = format!("r{hashes}\"{text}\"{hashes}").parse() {
            return literal;
        }
    }
    Literal::string(text)
}
