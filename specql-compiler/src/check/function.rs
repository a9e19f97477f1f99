//! `functions:` of entities: functions in SQL that steps may call, with a body, or only declared.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    entity::{Entities, resolve_type},
    function_body, names,
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0137_reserved_name as reserved_name, sq0138_duplicate_name as duplicate_name,
            sq0141_invalid_option as invalid_option,
        },
    },
    domain::Domains,
    model::{
        EntityId,
        function::{Function, Parameter, SqlFunction, Volatility},
        names::{id_function, pk_function},
    },
    source::{Sources, Span, Spanned},
    syntax::{entity::EntitySyntax, function::FunctionSyntax, types::TypeSyntax},
};

/// Checks the functions of all entities, which are complete but for their actions.
pub(super) fn check(
    sources: &Sources,
    domains: &Domains,
    entities: &mut Entities<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut seen: BTreeMap<(String, String), Span> = BTreeMap::new();
    for index in 0..entities.entities.len() {
        let mut checked = Vec::new();
        let syntax = entities.syntax[index];
        for written in &syntax.functions {
            let mut checker = Checker { sources, domains, entities, entity: EntityId(index), syntax, diagnostics };
            let function = checker.function(written).filter(|_| written.complete);
            let Some(function) = function else {
                entities.broken_functions.insert(written.name.value.clone());
                continue;
            };
            let key = (function.schema.clone(), function.name.clone());
            if let Some(first) = seen.get(&key) {
                diagnostics.push(duplicate_name::function(written.name.span, *first, &function.name, &function.schema));
                continue;
            }
            seen.insert(key, written.name.span);
            checked.push(function);
        }
        entities.entities[index].functions = checked;
    }
}

struct Checker<'a, 'e> {
    sources: &'a Sources,
    domains: &'a Domains,
    entities: &'a Entities<'e>,
    entity: EntityId,
    syntax: &'a EntitySyntax,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Checker<'_, '_> {
    fn function(&mut self, written: &FunctionSyntax) -> Option<SqlFunction> {
        let schema = match &written.schema {
            Some(schema) => {
                names::check_schema(schema, self.diagnostics).then(|| self.domains.resolve(&schema.value).to_owned())
            }
            None => Some(self.entities.entities[self.entity.0].schema.clone()),
        };
        let named = names::check_identifier(&written.name, "a function", self.diagnostics)
            && self.is_free(&written.name, schema.as_deref());
        let args = self.args(written);
        let returns = self.ty(written.returns.as_ref(), "what a function returns");
        let volatility = self.volatility(written.volatility.as_ref());
        let never_null = written.returns.as_ref().is_some_and(|ty| ty.required);
        let body = function_body::check(self.sources, written, self.diagnostics);
        let origin = self.sources.origin(written.name.span);
        let (schema, args, returns) = (schema?, args?, returns?);
        let name = written.name.value.clone();
        named.then_some(SqlFunction { name, schema, args, returns, never_null, volatility, body, origin })
    }

    /// Whether nothing else that can be called has the name.
    fn is_free(&mut self, name: &Spanned<String>, schema: Option<&str>) -> bool {
        let Spanned { value, span } = name;
        let action = self.syntax.actions.iter().any(|action| action.name.value == *value);
        let helper = self.entities.entities.iter().find(|entity| {
            Some(entity.schema.as_str()) == schema && [pk_function(entity), id_function(entity)].contains(value)
        });
        let reason = if Function::find(value).is_some() {
            "expressions have a function of that name".to_owned()
        } else if action {
            "an action of this entity has it".to_owned()
        } else if let Some(entity) = helper {
            format!("SpecQL makes a function of that name for `{}`", entity.name)
        } else {
            return true;
        };
        self.diagnostics.push(reserved_name::error(*span, "a function", value, &reason));
        false
    }

    fn args(&mut self, written: &FunctionSyntax) -> Option<Vec<Parameter>> {
        let mut seen = BTreeSet::new();
        let mut args = Vec::new();
        for (name, ty) in &written.args {
            let named = names::check_identifier(name, "an argument", self.diagnostics);
            let required = ty.as_ref().is_some_and(|ty| ty.required);
            let ty = self.ty(ty.as_ref(), "an argument");
            if let Some(ty) = ty.filter(|_| named && seen.insert(&name.value)) {
                args.push(Parameter { name: name.value.clone(), ty, required });
            }
        }
        (args.len() == written.args.len()).then_some(args)
    }

    fn ty(&mut self, ty: Option<&TypeSyntax>, what: &str) -> Option<crate::model::FieldType> {
        let ty = ty?;
        if let Some(default) = &ty.default {
            let help = "leave it out; the function itself may have one";
            self.diagnostics.push(invalid_option::error(default.span, format!("{what} has no default"), help));
        }
        resolve_type(&self.entities.entities, &self.entities.broken_entities, self.domains, ty, None, self.diagnostics)
    }

    fn volatility(&mut self, written: Option<&Spanned<String>>) -> Volatility {
        let Some(Spanned { value, span }) = written else { return Volatility::default() };
        let known = Volatility::ALL.into_iter().find(|volatility| volatility.name() == value);
        known.unwrap_or_else(|| {
            let message = format!("`volatility` cannot be `{}`", value.escape_debug());
            self.diagnostics.push(invalid_option::error(*span, message, "it is `immutable`, `stable` or `volatile`"));
            Volatility::default()
        })
    }
}
