//! Registry files to [`specql_registry::Registry`]: the built-in services, with a project's own over them.
//!
//! | module | reads |
//! |---|---|
//! | `service` | a service: what all types of services have |
//! | `environment` | its environments, merged over the base, and whether they are weaker |
//! | `operation` | an operation: what all types of operations have |
//! | `http_service`, `auth`, `url` | `runner_config` and `security_policy` of an HTTP service |
//! | `http_operation`, `body` | an HTTP operation: target, templates, output |
//! | `limits`, `fallback` | what holds calls back, and who takes over |
//! | `schema` | `input_schema` and `output_schema` |
//! | `setting` | `{env: NAME}`, `{secret: name}`, and what must be one of them |
//! | `decode` | mappings with known keys, words, numbers, durations |
//!
//! What cannot be read is reported and left out, but a service or an operation that has a name stays, so that one
//! mistake in it does not make every use of it another.

mod auth;
mod body;
mod decode;
mod environment;
mod fallback;
mod http_operation;
mod http_service;
mod limits;
mod operation;
mod schema;
mod service;
mod setting;
mod url;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use indexmap::IndexMap;
use specql_registry::{Operation, Service, builtin};

use self::decode::Decoder;
pub(crate) use self::operation::MAX_GIVE_UP_AFTER;
pub use self::{schema::FIELD as SCHEMA_FIELD, service::FILE, setting::REFERENCE};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0012_several_documents::several_documents, sq0504_duplicate_service::duplicate_service},
    },
    source::{FileId, SourceKind, Sources, Span, yaml},
};

/// All services that a project may call.
#[derive(Clone, Debug, Default)]
pub struct RegistrySet {
    /// Name → service, by name.
    pub services: IndexMap<String, DeclaredService>,
}

/// A service with the places where its names stand.
#[derive(Clone, Debug)]
pub struct DeclaredService {
    /// The service.
    pub service: Service,
    /// It ships with the compiler and was not replaced by the project.
    pub is_builtin: bool,
    /// Where its name stands.
    pub name_span: Span,
    /// Where its fallback is named.
    pub fallback_span: Option<Span>,
    /// Operation → where its name stands.
    pub operation_spans: IndexMap<String, Span>,
}

/// The services that ship with the compiler, by file: the same for every project, so they are read once in a process. A file
/// with a mistake is `None`, and read again where the mistake can be shown.
static BUILTIN: LazyLock<Vec<Option<Vec<DeclaredService>>>> = LazyLock::new(|| {
    let read = |(_, text): &(&str, &str)| {
        let mut decoder = Decoder::default();
        let services = file_services(FileId::default(), text, &mut decoder);
        decoder.diagnostics.is_empty().then_some(services)
    };
    builtin::FILES.iter().map(read).collect()
});

/// Reads all registry files.
#[must_use]
pub fn read(sources: &Sources, diagnostics: &mut Vec<Diagnostic>) -> RegistrySet {
    let mut set = RegistrySet::default();
    for kind in [SourceKind::BuiltinRegistry, SourceKind::Registry] {
        let files = sources.iter_all().filter(|(_, file)| file.kind == kind && !file.is_domain_registry());
        for (id, file) in files {
            let mut decoder = Decoder::default();
            let services = match kind {
                SourceKind::BuiltinRegistry => builtin_services(id, &file.text),
                _ => None,
            };
            let services = services.unwrap_or_else(|| file_services(id, &file.text, &mut decoder));
            for declared in services {
                add(&mut set, declared, kind == SourceKind::BuiltinRegistry, &mut decoder);
            }
            diagnostics.append(&mut decoder.diagnostics);
        }
    }
    set.services.sort_keys();
    fallback::check(&set, diagnostics);
    set
}

/// The services of a file that ships with the compiler, where that is what the text is.
fn builtin_services(id: FileId, text: &str) -> Option<Vec<DeclaredService>> {
    let file = builtin::FILES.iter().position(|(_, builtin)| *builtin == text)?;
    let mut services = BUILTIN.get(file)?.clone()?;
    for service in &mut services {
        service.name_span.file = id;
        service.fallback_span.iter_mut().for_each(|span| span.file = id);
        service.operation_spans.values_mut().for_each(|span| span.file = id);
    }
    Some(services)
}

fn file_services(id: FileId, text: &str, decoder: &mut Decoder) -> Vec<DeclaredService> {
    let (documents, mut problems) = yaml::read(id, text);
    decoder.diagnostics.append(&mut problems);
    let mut documents = documents.iter();
    let Some(document) = documents.next() else { return Vec::new() };
    for further in documents {
        decoder.report(several_documents(further.span));
    }
    service::read_file(document, decoder)
}

/// Adds a service; a project's own replaces the built-in one of that name.
fn add(set: &mut RegistrySet, mut declared: DeclaredService, is_builtin: bool, decoder: &mut Decoder) {
    declared.is_builtin = is_builtin;
    match set.services.get(&declared.service.name) {
        Some(first) if first.is_builtin == is_builtin => {
            let (span, name) = (declared.name_span, &declared.service.name);
            decoder.report(duplicate_service(span, first.name_span, "service", name));
        }
        _ => {
            set.services.insert(declared.service.name.clone(), declared);
        }
    }
}

impl RegistrySet {
    /// The operation of that name.
    #[must_use]
    pub fn operation(&self, service: &str, operation: &str) -> Option<(&Service, &Operation)> {
        let service = &self.services.get(service)?.service;
        Some((service, service.operations.get(operation)?))
    }

    /// The services that the project itself declares.
    pub fn declared(&self) -> impl Iterator<Item = &DeclaredService> {
        self.services.values().filter(|service| !service.is_builtin)
    }
}
