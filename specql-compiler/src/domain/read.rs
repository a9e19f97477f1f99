//! The file as it is written, with every key taken or refused.

use std::collections::BTreeMap;

use super::{Domain, Domains};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0135_ignored_key as ignored_key, sq0151_domain_collision as domain_collision},
    },
    keys::{Key, Shape, Table},
    source::{
        Sources, Span, Spanned,
        yaml::{self, Entry, Node, Value},
    },
    syntax::{
        keys::{Keys, mapping, sequence, text},
        names,
    },
};

/// `domain_registry.yaml`. The keys of the original that number its entities and guess their place mean nothing here, and are
/// refused.
pub(crate) static FILE: Table = Table::new(
    "the domain registry",
    &[
        Key::new("domains", Shape::Map(&Shape::Table(&DOMAIN)), "the schemas, by their names"),
        Key::new("version", Shape::Anything, "the version of the original's file").refused(),
        Key::new("last_updated", Shape::Anything, "when the original wrote the file").refused(),
        Key::new("schema_layers", Shape::Anything, "layers of the original").refused(),
        Key::new("reserved_codes", Shape::Anything, "numbers of the original").refused(),
        Key::new("validation", Shape::Anything, "how the original checks its numbers").refused(),
        Key::new("subdomain_inference", Shape::Anything, "how the original guesses subdomains").refused(),
    ],
);

static DOMAIN: Table = Table::new(
    "a domain",
    &[
        Key::new("name", Shape::Name, "the schema").default("the domain's key"),
        Key::new("description", Shape::Text, "the comment on the schema"),
        Key::new("multi_tenant", Shape::Boolean, "whether every row of its tables belongs to a tenant")
            .default("`false`"),
        Key::new(
            "tenants",
            Shape::Entity,
            "the entity whose rows are the tenants, for schedules that run for each of them",
        )
        .default("none"),
        Key::new("aliases", Shape::List(&Shape::Name), "other names of the schema, for entity files").default("none"),
        Key::new("subdomains", Shape::Anything, "how the original numbers its entities").refused(),
    ],
);

/// Reads the project's domain registry. Without one there are no domains.
pub(crate) fn read(sources: &Sources, diagnostics: &mut Vec<Diagnostic>) -> Domains {
    let mut reader = Reader { domains: Domains::default(), taken: BTreeMap::new() };
    for (id, file) in sources.iter().filter(|(_, file)| file.is_domain_registry()) {
        let (documents, mut problems) = yaml::read(id, &file.text);
        diagnostics.append(&mut problems);
        for document in documents.iter().filter(|document| document.value != Value::Null) {
            reader.file(document, diagnostics);
        }
    }
    reader.domains
}

struct Reader {
    domains: Domains,
    /// Every name and alias, with the place that took it.
    taken: BTreeMap<String, Span>,
}

impl Reader {
    fn file(&mut self, document: &Node, diagnostics: &mut Vec<Diagnostic>) {
        let Some(file) = Keys::read(document, &FILE, diagnostics) else { return };
        let Some(domains) = file.get("domains").and_then(|node| mapping(node, "domains", diagnostics)) else {
            return;
        };
        // Names before aliases: where both want the same word, the alias is in the wrong.
        let read: Vec<_> = domains.iter().map(|entry| self.domain(entry, diagnostics)).collect();
        for (schema, aliases) in read.into_iter().flatten() {
            for alias in aliases {
                self.alias(&schema, alias, diagnostics);
            }
        }
    }

    /// Takes a domain; its schema and aliases.
    fn domain(&mut self, entry: &Entry, diagnostics: &mut Vec<Diagnostic>) -> Option<(String, Vec<Spanned<String>>)> {
        let keys = match &entry.value.value {
            Value::Null => None,
            _ => Some(Keys::read(&entry.value, &DOMAIN, diagnostics)?),
        };
        let named = keys.and_then(|keys| keys.text("name", diagnostics));
        let schema = named.unwrap_or_else(|| Spanned { value: entry.key.clone(), span: entry.key_span });
        let multi_tenant = keys.and_then(|keys| keys.boolean("multi_tenant", diagnostics)).unwrap_or(false);
        let tenants = keys.and_then(|keys| keys.text("tenants", diagnostics));
        let description = keys.and_then(|keys| keys.text("description", diagnostics));
        let aliases = keys.and_then(|keys| keys.get("aliases")).map(|node| aliases(node, diagnostics));
        if schema.value == "public"
            && let Some(entry) = keys.and_then(|keys| keys.entry("description"))
        {
            // Its comment is PostgreSQL's own.
            diagnostics.push(ignored_key::warning(entry.key_span, "description"));
        }
        if !names::check_schema(&schema, diagnostics) || !self.take(&schema, diagnostics) {
            return None;
        }
        let name = schema.value.clone();
        let description = description.map(|said| said.value).filter(|_| name != "public");
        self.domains.domains.insert(name.clone(), Domain { schema, multi_tenant, tenants, description });
        Some((name, aliases.unwrap_or_default()))
    }

    fn alias(&mut self, schema: &str, alias: Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
        if names::check_schema(&alias, diagnostics) && self.take(&alias, diagnostics) {
            self.domains.aliases.insert(alias.value, schema.to_owned());
        }
    }

    /// Whether nothing else has this name.
    fn take(&mut self, name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> bool {
        if let Some(first) = self.taken.get(&name.value) {
            diagnostics.push(domain_collision::error(name.span, *first, &name.value));
            return false;
        }
        self.taken.insert(name.value.clone(), name.span);
        true
    }
}

fn aliases(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<Spanned<String>> {
    let elements = sequence(node, "aliases", diagnostics).unwrap_or_default();
    elements.iter().filter_map(|element| text(element, "aliases", diagnostics)).collect()
}
