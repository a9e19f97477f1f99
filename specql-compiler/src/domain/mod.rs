//! `registry/domain_registry.yaml`: the schemas of a project, their aliases, and whose rows belong to tenants.
//!
//! The file is optional. A schema that it does not list has no aliases and is not multi-tenant. Both forms are read: the
//! domain's name as its key, and the original's numbers with a `name:` beside them.

mod read;

#[cfg(test)]
mod tests;

pub(crate) use read::FILE;
pub(crate) use read::read;

use std::collections::BTreeMap;

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0152_unused_domain as unused_domain, sq0153_unlisted_schema as unlisted_schema},
        suggest,
    },
    source::{Span, Spanned},
};

/// The domains of a project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    /// By the name of their schema.
    domains: BTreeMap<String, Domain>,
    /// Alias to schema.
    aliases: BTreeMap<String, String>,
}

/// A schema that is listed.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    /// The schema, and where it is named.
    pub schema: Spanned<String>,
    /// Whether every row of its tables belongs to a tenant.
    pub multi_tenant: bool,
    /// The entity whose rows are the tenants.
    pub tenants: Option<Spanned<String>>,
    /// For the schema's comment.
    pub description: Option<String>,
}

impl Domains {
    /// The schema that is meant: itself, or the one that this is an alias of.
    #[must_use]
    pub(crate) fn resolve<'a>(&'a self, written: &'a str) -> &'a str {
        self.aliases.get(written).map_or(written, String::as_str)
    }

    /// Whether every row of this schema's tables belongs to a tenant.
    #[must_use]
    pub(crate) fn is_multi_tenant(&self, schema: &str) -> bool {
        self.domains.get(schema).is_some_and(|domain| domain.multi_tenant)
    }

    /// The domains that say which entity's rows their tenants are, with its name.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = (&Domain, &Spanned<String>)> {
        self.domains.values().filter_map(|domain| Some((domain, domain.tenants.as_ref()?)))
    }

    /// The descriptions of schemas, by their names.
    pub(crate) fn descriptions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.domains.iter().filter_map(|(schema, domain)| Some((schema.as_str(), domain.description.as_deref()?)))
    }

    /// Compares the list with the schemas that entities are in: a slip of the pen in either would take a table's tenants
    /// away without a word.
    pub(crate) fn compare<'a>(
        &self,
        used: impl IntoIterator<Item = (&'a str, Option<Span>)>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let used: BTreeMap<&str, Option<Span>> = used.into_iter().collect();
        for (schema, span) in &used {
            let Some(span) = span.filter(|_| !self.domains.contains_key(*schema)) else { continue };
            let listed = self.domains.keys().chain(self.aliases.keys()).map(String::as_str);
            if let Some(near) = suggest(schema, listed) {
                diagnostics.push(unlisted_schema::error(span, schema, near));
            }
        }
        for (schema, domain) in self.domains.iter().filter(|(schema, _)| !used.contains_key(schema.as_str())) {
            let unlisted = used.keys().copied().filter(|used| !self.domains.contains_key(*used));
            diagnostics.push(unused_domain::warning(domain.schema.span, schema, suggest(schema, unlisted)));
        }
    }
}
