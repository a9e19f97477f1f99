//! `specql services`: what jobs may call.

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use specql_compiler::{
    Project,
    internals::{
        diagnostics::suggest,
        registry::{self, DeclaredService, RegistrySet},
    },
};
use specql_registry::{Operation, Schema, Service};

use super::count;
use crate::{cli::Services, project, table};

pub(super) fn run(command: &Services) -> anyhow::Result<ExitCode> {
    match command {
        Services::List { dir } => list(dir),
        Services::Show { name, dir } => show(name, dir),
    }
}

/// All services: the project's own, those it uses, and the built-in ones that it could use.
fn available(dir: &Path) -> anyhow::Result<(Project, RegistrySet)> {
    let found = project::read_sound(dir)?;
    // What is wrong with them has been reported.
    let services = registry::read(&found.sources, &mut Vec::new());
    Ok((found, services))
}

fn list(dir: &Path) -> anyhow::Result<ExitCode> {
    let (found, set) = available(dir)?;
    let used = &found.compilation.model.registry.services;
    let rows: Vec<_> = (set.services.values())
        .map(|DeclaredService { service, is_builtin, .. }| {
            [
                service.name.clone(),
                service.execution_type.display_name().to_owned(),
                if *is_builtin { "built in" } else { "project" }.to_owned(),
                if used.contains_key(&service.name) { "yes" } else { "no" }.to_owned(),
                service.operations.len().to_string(),
                service.description.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table::print(["SERVICE", "TYPE", "FROM", "USED", "OPERATIONS", "DESCRIPTION"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str, dir: &Path) -> anyhow::Result<ExitCode> {
    let (_, set) = available(dir)?;
    let Some(declared) = set.services.get(name) else {
        let hint = suggest(name, set.services.keys().map(String::as_str));
        let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        bail!("there is no service `{name}`{hint}");
    };
    print!("{}", page(&declared.service));
    Ok(ExitCode::SUCCESS)
}

/// A service as people read it.
fn page(service: &Service) -> String {
    let mut text = format!("{} ({})\n", service.name, service.execution_type.display_name());
    if let Some(description) = &service.description {
        text.push_str(&format!("  {description}\n"));
    }
    if !service.environments.is_empty() {
        let names: Vec<&str> = service.environments.keys().map(String::as_str).collect();
        text.push_str(&format!("  environments: {}\n", names.join(", ")));
    }
    for operation in service.operations.values() {
        text.push('\n');
        text.push_str(&operation_page(operation));
    }
    text
}

fn operation_page(operation: &Operation) -> String {
    let mut text = format!("{}\n", operation.name);
    if let Some(description) = &operation.description {
        text.push_str(&format!("  {description}\n"));
    }
    text.push_str(&format!(
        "  {}, {}, unique {}{}\n",
        count(operation.timeout_seconds as usize, "second", "seconds"),
        count(operation.max_attempts as usize, "attempt", "attempts"),
        operation.unique.name(),
        if operation.idempotent { ", idempotent" } else { "" }
    ));
    for (title, schema) in [("input", &operation.input), ("output", &operation.output)] {
        text.push_str(&fields(title, schema));
    }
    text
}

fn fields(title: &str, schema: &Schema) -> String {
    if schema.fields.is_empty() {
        return format!("  {title}: nothing\n");
    }
    let mut text = format!("  {title}:\n");
    for (name, field) in &schema.fields {
        let about = field.description.as_deref().map(|about| format!("  # {about}")).unwrap_or_default();
        text.push_str(&format!("    {name}: {field}{about}\n"));
    }
    text
}
