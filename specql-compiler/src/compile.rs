//! The pipeline, from sources to the checked model.

use std::collections::BTreeSet;

use specql_registry::Registry;

use crate::{
    check::{self, Project},
    diagnostics::{
        Diagnostic,
        rules::{
            sq0134_not_supported as not_supported, sq0135_ignored_key as ignored_key,
            sq0401_unknown_service as unknown_service,
        },
    },
    keys::{Key, Shape, Table},
    model::Model,
    registry::{self, RegistrySet},
    source::{
        SourceKind, Sources,
        settings::{self, Settings},
        yaml::{self, Node, Value},
    },
    syntax::{
        entity::{self, EntitySyntax},
        keys::Keys,
        step::{StepKindSyntax, StepSyntax},
    },
};

/// What became of a project's sources.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The checked project. With errors: what could be understood, so that editors keep the generated names; nothing
    /// but Rust may be emitted from it then.
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
    refuse_tenancy(sources, &mut diagnostics);
    let written = read_entities(sources, &mut diagnostics);

    let checked = check::entity::check(sources, &written, &mut diagnostics);
    let all = Registry {
        services: services.services.iter().map(|(name, declared)| (name.clone(), declared.service.clone())).collect(),
    };
    let project = Project {
        sources,
        entities: &checked.entities,
        broken_fields: &checked.broken_fields,
        broken_entities: &checked.broken_entities,
        registry: &all,
    };
    let actions = check::action::check_all(project, &checked.syntax, &mut diagnostics);
    let mut entities = checked.entities;
    for (entity, actions) in entities.iter_mut().zip(actions) {
        entity.actions = actions;
    }

    let used = used_services(&checked.syntax);
    let wanted = wanted_services(&settings, &services, &mut diagnostics);
    let has_registry = services.declared().next().is_some();
    let uses_jobs = !used.is_empty() || !wanted.is_empty() || has_registry;
    let mut registry = all;
    registry.services.retain(|name, _| {
        used.contains(name) || wanted.contains(name) || services.declared().any(|own| own.service.name == *name)
    });
    registry.services.sort_keys();
    diagnostics.sort_by(|a, b| {
        let key = |diagnostic: &Diagnostic| (diagnostic.span, diagnostic.rule.code);
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    });
    Compilation { model: Model { entities, registry, uses_jobs }, diagnostics }
}

/// Every entity of every file, in the order of paths and documents.
fn read_entities(sources: &Sources, diagnostics: &mut Vec<Diagnostic>) -> Vec<EntitySyntax> {
    let mut entities = Vec::new();
    for (id, file) in sources.iter().filter(|(_, file)| file.kind == SourceKind::Entities) {
        let (documents, mut problems) = yaml::read(id, &file.text);
        diagnostics.append(&mut problems);
        // A document that holds nothing (a trailing `---`, a file of comments) says nothing.
        let documents = documents.iter().filter(|document| document.value != Value::Null);
        entities.extend(documents.filter_map(|document| entity::read(document, diagnostics)));
    }
    entities
}

/// `domain_registry.yaml`.
pub(crate) static DOMAINS: Table = Table::new(
    "the domain registry",
    &[Key::new("domains", Shape::Anything, "which schemas belong to tenants, and their other names")],
);

/// Schemas whose rows belong to tenants are a promise about who sees what: until it is kept, it is refused. The rest of
/// the domain registry has no effect, which is said.
fn refuse_tenancy(sources: &Sources, diagnostics: &mut Vec<Diagnostic>) {
    for (id, file) in sources.iter().filter(|(_, file)| file.is_domain_registry()) {
        let (documents, mut problems) = yaml::read(id, &file.text);
        diagnostics.append(&mut problems);
        for document in &documents {
            let Some(keys) = Keys::read(document, &DOMAINS, diagnostics) else { continue };
            let before = diagnostics.len();
            if let Some(entry) = keys.entry("domains") {
                refuse_multi_tenant(&entry.value, diagnostics);
                if diagnostics.len() == before {
                    diagnostics.push(ignored_key::warning(entry.key_span, "domains"));
                }
            }
        }
    }
}

/// Finds `multi_tenant: true`, wherever it stands.
fn refuse_multi_tenant(node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    match &node.value {
        Value::Sequence(elements) => elements.iter().for_each(|element| refuse_multi_tenant(element, diagnostics)),
        Value::Mapping(entries) => {
            for entry in entries {
                if entry.key == "multi_tenant" && entry.value.value == Value::Bool(true) {
                    diagnostics.push(not_supported::feature(entry.value.span, "multi-tenant schemas"));
                }
                refuse_multi_tenant(&entry.value, diagnostics);
            }
        }
        _ => {}
    }
}

/// The services that steps and callbacks name, right or wrong: a mistake in one call must not take the others' names away.
fn used_services(entities: &[&EntitySyntax]) -> BTreeSet<String> {
    fn visit(steps: &[StepSyntax], used: &mut BTreeSet<String>) {
        for step in steps {
            match &step.kind {
                StepKindSyntax::CallService(call) => {
                    used.insert(call.service.value.clone());
                    for callback in [&call.on_success, &call.on_failure].into_iter().flatten() {
                        visit(&callback.steps, used);
                    }
                }
                StepKindSyntax::If { then, otherwise, .. } => {
                    visit(then, used);
                    visit(otherwise, used);
                }
                _ => {}
            }
        }
    }
    let mut used = BTreeSet::new();
    for action in entities.iter().flat_map(|entity| &entity.actions) {
        visit(&action.steps, &mut used);
    }
    used
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
