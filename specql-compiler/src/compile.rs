//! The pipeline, from sources to the checked model.

use std::collections::BTreeSet;

use specql_registry::Registry;

use crate::{
    check::{self, Project},
    diagnostics::{Diagnostic, rules::sq0401_unknown_service as unknown_service},
    domain,
    model::Model,
    registry::{self, RegistrySet},
    source::{
        SourceKind, Sources,
        settings::{self, Settings},
        yaml::{self, Value},
    },
    syntax::{
        entity::{self, EntitySyntax},
        step::{StepKindSyntax, StepSyntax},
    },
};

/// What became of a project's sources.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Compilation {
    /// The checked project. With errors: what could be understood, so that editors keep the generated names; nothing
    /// but Rust may be emitted from it then.
    #[doc(hidden)]
    pub model: Model,
    /// Everything there is to say, in source order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compilation {
    /// Whether the build must stop.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a project. Pure: no files, no environment, no clock; never panics, whatever the sources hold.
#[must_use]
pub fn compile(sources: &Sources) -> Compilation {
    let mut diagnostics = Vec::new();
    let settings = settings::read(sources, &mut diagnostics);
    let services = registry::read(sources, &mut diagnostics);
    let domains = domain::read(sources, &mut diagnostics);
    let (written, all_read) = read_entities(sources, &mut diagnostics);

    let checked = check::entity::check(sources, &domains, &written, &mut diagnostics);
    let all = Registry {
        services: services.services.iter().map(|(name, declared)| (name.clone(), declared.service.clone())).collect(),
    };
    let project = Project {
        sources,
        entities: &checked.entities,
        broken_fields: &checked.broken_fields,
        broken_entities: &checked.broken_entities,
        domains: &domains,
        broken_functions: &checked.broken_functions,
        registry: &all,
    };
    let actions = check::action::check_all(project, &checked.syntax, &mut diagnostics);
    let backfills = check::action::backfills(project, &checked.syntax, &mut diagnostics);
    let row_checks = check::action::row_checks(project, &checked.syntax, &mut diagnostics);
    let schedules = check::schedule::check_all(project, &actions, &checked.syntax, &mut diagnostics);
    let mut entities = checked.entities;
    for (entity, actions) in entities.iter_mut().zip(actions) {
        entity.actions = actions;
    }
    for (entity, checks) in entities.iter_mut().zip(row_checks) {
        entity.checks = checks;
    }
    for (entity, backfills) in entities.iter_mut().zip(backfills) {
        for (field, value) in backfills {
            entity.fields[field.0].backfill = Some(value);
        }
    }

    let used = used_services(&checked.syntax);
    let wanted = wanted_services(&settings, &services, &mut diagnostics);
    let has_registry = services.declared().next().is_some();
    // One that is wrong counts too: what else is said should not depend on it.
    let scheduled = checked.syntax.iter().any(|entity| !entity.schedules.is_empty());
    let uses_jobs = scheduled || !used.is_empty() || !wanted.is_empty() || has_registry;
    let mut registry = all;
    let declared = services.declared().map(|own| own.service.name.clone());
    let kept = with_fallbacks(&registry, used.into_iter().chain(wanted).chain(declared));
    registry.services.retain(|name, _| kept.contains(name));
    registry.services.sort_keys();
    if !all_read {
        diagnostics.retain(|diagnostic| !MAY_BE_UNREAD.contains(&diagnostic.rule.code));
    }
    diagnostics.sort_by(|a, b| {
        let key = |diagnostic: &Diagnostic| (diagnostic.span, diagnostic.rule.code);
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    });
    let descriptions = domains.descriptions().map(|(schema, text)| (schema.to_owned(), text.to_owned())).collect();
    Compilation { model: Model { entities, schemas: descriptions, schedules, registry, uses_jobs }, diagnostics }
}

/// Rules that say of an entity or an action that there is none. While a file cannot be read, it may be in there.
const MAY_BE_UNREAD: [&str; 2] = ["SQ0139", "SQ0208"];

/// Every entity of every file, in the order of paths and documents; and whether all files could be read to their ends.
fn read_entities(sources: &Sources, diagnostics: &mut Vec<Diagnostic>) -> (Vec<EntitySyntax>, bool) {
    let mut entities = Vec::new();
    let mut all_read = true;
    for (id, file) in sources.iter().filter(|(_, file)| file.kind == SourceKind::Entities) {
        let (documents, mut problems) = yaml::read(id, &file.text);
        // A mistake that ends the reading leaves its document out.
        let ended = |problem: &Diagnostic| ["SQ0001", "SQ0002", "SQ0009"].contains(&problem.rule.code);
        all_read &= problems.is_empty() || !(documents.is_empty() || problems.iter().any(ended));
        diagnostics.append(&mut problems);
        // A document that holds nothing (a trailing `---`, a file of comments) says nothing.
        let documents = documents.iter().filter(|document| document.value != Value::Null);
        entities.extend(documents.filter_map(|document| entity::read(document, diagnostics)));
    }
    (entities, all_read)
}

/// The services that steps and callbacks name, right or wrong: a mistake in one call must not take the others' names away.
fn used_services(entities: &[&EntitySyntax]) -> BTreeSet<String> {
    fn visit(steps: &[StepSyntax], used: &mut BTreeSet<String>) {
        for step in steps {
            if let StepKindSyntax::CallService(call) = &step.kind {
                used.insert(call.service.value.clone());
                for callback in [&call.on_success, &call.on_failure].into_iter().flatten() {
                    visit(&callback.steps, used);
                }
            }
            step.branches().for_each(|branch| visit(branch, used));
        }
    }
    let mut used = BTreeSet::new();
    for action in entities.iter().flat_map(|entity| &entity.actions) {
        visit(&action.steps, &mut used);
    }
    used
}

/// These services, and those that take over from them.
fn with_fallbacks(registry: &Registry, names: impl Iterator<Item = String>) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let mut left: Vec<String> = names.collect();
    while let Some(name) = left.pop() {
        let fallback = registry.services.get(&name).and_then(|service| service.fallback.clone());
        if kept.insert(name) {
            left.extend(fallback);
        }
    }
    kept
}

/// The services that `use = [...]` in `specql.toml` names.
fn wanted_services(settings: &Settings, services: &RegistrySet, diagnostics: &mut Vec<Diagnostic>) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for name in &settings.uses {
        if services.services.contains_key(&name.value) {
            wanted.insert(name.value.clone());
        } else {
            let known = services.services.keys().map(String::as_str);
            diagnostics.push(unknown_service::error(name.span, &name.value, known));
        }
    }
    wanted
}
