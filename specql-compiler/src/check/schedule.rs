//! Schedules: when, which action, and what it is given.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use specql_registry::{
    Basic, ValueType,
    scalars::Scalar,
    timing::{CatchUp, Timing, TimingError},
};

use super::{Project, expr, names, rename};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0138_duplicate_name as duplicate_name, sq0154_tenants_entity as tenants_entity, sq0230_cron as cron_rule,
            sq0231_time_zone as time_zone, sq0232_scheduled_action as scheduled_action,
            sq0233_scheduled_input as scheduled_input, sq0234_scheduled_tenant as scheduled_tenant,
            sq0235_catch_up as catch_up_rule,
        },
    },
    model::{
        Action, Entity, EntityId, FieldType, InputField, Schedule,
        expr::{Literal, UnaryOp},
    },
    source::{Span, Spanned},
    syntax::{
        entity::EntitySyntax,
        expr::{Ast, AstKind},
        schedule::ScheduleSyntax,
    },
};

/// The time zone of a schedule that names none.
const DEFAULT_ZONE: &str = "UTC";

/// Checks the schedules of all entities; `entities` have their actions.
pub(crate) fn check_all(
    project: Project<'_>,
    actions: &[Vec<Action>],
    written: &[&EntitySyntax],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Schedule> {
    let mut result = Vec::new();
    let tenants = tenants(project, diagnostics);
    for (index, entity) in written.iter().enumerate() {
        let mut names: BTreeMap<&str, Span> = BTreeMap::new();
        for syntax in &entity.schedules {
            let Spanned { value: name, span } = &syntax.name;
            let named = names::check_identifier(&syntax.name, "a schedule", diagnostics);
            if let Some(first) = names.get(name.as_str()) {
                diagnostics.push(duplicate_name::schedule(*span, *first, name));
                continue;
            }
            names.insert(name, *span);
            let checker = Checker { project, actions, written, tenants: &tenants, entity: EntityId(index) };
            result.extend(checker.schedule(syntax, diagnostics).filter(|_| named));
        }
    }
    result
}

/// The entities whose rows are tenants, by the schemas that say so.
fn tenants<'a>(project: Project<'a>, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<&'a str, EntityId> {
    let mut known = BTreeMap::new();
    for (domain, named) in project.domains.tenants() {
        let Spanned { value: name, span } = named;
        if !domain.multi_tenant {
            diagnostics.push(tenants_entity::nobodys(*span, &domain.schema.value));
            continue;
        }
        let Some(entity) = project.find_entity(name, *span, diagnostics) else { continue };
        let Entity { name, schema, multi_tenant, .. } = project.entity(entity);
        if *multi_tenant {
            diagnostics.push(tenants_entity::of_tenants(*span, name, schema));
        } else {
            known.insert(domain.schema.value.as_str(), entity);
        }
    }
    known
}

struct Checker<'a> {
    project: Project<'a>,
    actions: &'a [Vec<Action>],
    written: &'a [&'a EntitySyntax],
    /// Schema to the entity whose rows are its tenants, where that is known.
    tenants: &'a BTreeMap<&'a str, EntityId>,
    entity: EntityId,
}

/// An action and the entity that it belongs to.
struct Found<'a> {
    entity: EntityId,
    action: &'a Action,
}

impl<'a> Checker<'a> {
    fn schedule(&self, syntax: &ScheduleSyntax, diagnostics: &mut Vec<Diagnostic>) -> Option<Schedule> {
        let zone = syntax.timezone.as_ref().map_or(DEFAULT_ZONE, |zone| &zone.value);
        let timed = timing(syntax, zone, diagnostics);
        let catch_up = match &syntax.catch_up {
            None => Some(CatchUp::default()),
            Some(word) => CatchUp::from_name(&word.value).or_else(|| {
                diagnostics.push(catch_up_rule::error(word.span, &word.value));
                None
            }),
        };
        let found = syntax.action.as_ref().and_then(|action| self.action(action, diagnostics));
        let input = found.as_ref().and_then(|found| self.input(syntax, found, diagnostics));
        let tenants = found.as_ref().and_then(|found| self.tenants(syntax, found, diagnostics));
        let renamed_from = self.former_key(syntax, diagnostics);
        Some(Schedule {
            entity: self.entity,
            name: syntax.name.value.clone(),
            renamed_from,
            wrapper: found?.action.wrapper.clone(),
            cron: timed?.to_owned(),
            timezone: zone.to_owned(),
            input: input?,
            tenants: tenants?,
            catch_up: catch_up?,
            origin: self.project.sources.origin(syntax.name.span),
        })
    }

    /// What the schedule was called with its entity, where either had another name.
    fn former_key(&self, syntax: &ScheduleSyntax, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
        let former = rename::schedule(&self.written[self.entity.0].schedules, syntax, diagnostics);
        let entity = self.project.entity(self.entity).renamed_from.as_ref().map(|former| &former.name);
        if former.is_none() && entity.is_none() {
            return None;
        }
        let entity = entity.unwrap_or(&self.project.entity(self.entity).name);
        Some(format!("{entity}.{}", former.as_ref().unwrap_or(&syntax.name.value)))
    }

    /// The action that is named: one of the own entity, else one by its wrapper.
    fn action(&self, written: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<Found<'a>> {
        let Spanned { value: name, span } = written;
        let own = self.actions.get(self.entity.0)?;
        let by_wrapper = || {
            let all = self.actions.iter().enumerate();
            let mut all = all.flat_map(|(index, actions)| actions.iter().map(move |action| (EntityId(index), action)));
            all.find(|(_, action)| action.wrapper == *name)
        };
        let found = own.iter().find(|action| action.name == *name).map(|action| (self.entity, action));
        let Some((entity, action)) = found.or_else(by_wrapper) else {
            // One that is written but could not be understood is reported where it stands.
            let broken = self.written.iter().enumerate().any(|(index, entity)| {
                let own = index == self.entity.0;
                entity.actions.iter().any(|action| {
                    let wrapper = action.wrapper.as_ref().unwrap_or(&action.name);
                    wrapper.value == *name || (own && action.name.value == *name)
                })
            });
            if !broken {
                let all = self.actions.iter().flatten().map(|action| action.wrapper.as_str());
                let known = own.iter().map(|action| action.name.as_str()).chain(all);
                diagnostics.push(scheduled_action::error(*span, name, known));
            }
            return None;
        };
        Some(Found { entity, action })
    }

    /// The entity of whose rows each is a tenant to call the action for; none where it is called for nobody.
    fn tenants(
        &self,
        syntax: &ScheduleSyntax,
        found: &Found<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Option<EntityId>> {
        let written = syntax.action.as_ref()?;
        let owner: &Entity = self.project.entity(found.entity);
        let schema = owner.multi_tenant.then_some(&*owner.schema);
        let each = syntax.for_each_tenant.as_ref().filter(|each| each.value);
        match (each, found.action.effects.for_tenant) {
            (None, false) => return Some(None),
            (None, true) => diagnostics.push(scheduled_tenant::error(written.span, &written.value, schema)),
            (Some(each), false) => diagnostics.push(scheduled_tenant::needless(each.span, &written.value)),
            (Some(each), true) => {
                // An action of everybody's schema may work on rows of any other: whose tenants are meant is clear where all agree.
                let all: BTreeSet<EntityId> = match schema {
                    Some(schema) => self.tenants.get(schema).copied().into_iter().collect(),
                    None => self.tenants.values().copied().collect(),
                };
                match all.first() {
                    Some(entity) if all.len() == 1 => return Some(Some(*entity)),
                    // One that is named and wrong is reported where it stands.
                    None if schema.is_some_and(|schema| {
                        self.project.domains.tenants().any(|(domain, _)| domain.schema.value == schema)
                    }) => {}
                    _ => diagnostics.push(scheduled_tenant::unknown_tenants(each.span, schema)),
                }
            }
        }
        None
    }

    /// The payload, checked against what the action takes.
    fn input(
        &self,
        syntax: &ScheduleSyntax,
        found: &Found<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Map<String, Value>> {
        let before = diagnostics.len();
        let takes = &found.action.input;
        let mut input = Map::new();
        let mut unread = false;
        for (name, value) in &syntax.input {
            let Some(field) = takes.iter().find(|field| field.name == name.value) else {
                unread = true;
                if !self.is_broken_input(found, &name.value) {
                    let known = takes.iter().map(|field| field.name.as_str());
                    diagnostics.push(scheduled_input::unknown(name.span, &found.action.name, &name.value, known));
                }
                continue;
            };
            match value.as_ref().map(|value| (value, constant(value, field))) {
                Some((_, Ok(json))) => {
                    input.insert(name.value.clone(), json);
                }
                Some((_, Err(error))) => diagnostics.push(*error),
                None => unread = true,
            }
        }
        let given = |field: &InputField| syntax.input.iter().any(|(name, _)| name.value == field.name);
        let missing: Vec<String> = takes
            .iter()
            .filter(|field| field.required && !given(field))
            .map(|field| format!("{}: {}", field.name, expr::describe_value(&value_type(&field.ty))))
            .collect();
        if !missing.is_empty() && !unread {
            diagnostics.push(scheduled_input::missing(syntax.input_span, &found.action.name, &missing));
        }
        (diagnostics.len() == before && !unread).then_some(input)
    }

    /// Whether the action declares that input with a type that could not be understood.
    fn is_broken_input(&self, found: &Found<'_>, name: &str) -> bool {
        let entity = self.written.get(found.entity.0);
        let syntax = entity.and_then(|entity| entity.actions.iter().find(|it| it.name.value == found.action.name));
        let declared = syntax.and_then(|syntax| syntax.input.as_ref());
        declared.is_some_and(|declared| declared.iter().any(|(input, _)| input.value == name))
    }
}

/// The rule, if it and the time zone can be read.
fn timing<'a>(syntax: &'a ScheduleSyntax, zone: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<&'a str> {
    // Each is checked with a right one of the other, so that both are reported.
    if let (Some(written), Err(TimingError::Zone)) = (&syntax.timezone, Timing::new("@daily", zone)) {
        diagnostics.push(time_zone::error(written.span, zone));
    }
    let cron = syntax.cron.as_ref()?;
    match Timing::new(&cron.value, DEFAULT_ZONE) {
        Ok(_) => Some(&cron.value),
        Err(error) => {
            diagnostics.push(cron_rule::error(cron.span, &cron.value, &error.to_string()));
            None
        }
    }
}

/// The type of an input's JSON: a ref is given as the UUID of its row.
fn value_type(ty: &FieldType) -> ValueType {
    match ty {
        FieldType::Value(ty) => ty.clone(),
        FieldType::Ref { .. } => Scalar::from_name("uuid").map_or(ValueType::Basic(Basic::Text), ValueType::Scalar),
    }
}

/// A value as the JSON that the action is given. There is no row and no caller that anything could be computed from.
fn constant(ast: &Ast, field: &InputField) -> Result<Value, Box<Diagnostic>> {
    let ty = value_type(&field.ty);
    let literal = match &ast.kind {
        AstKind::Null if field.required => {
            return Err(Box::new(scheduled_input::null(ast.span, &field.name)));
        }
        AstKind::Null => return Ok(Value::Null),
        AstKind::Boolean(value) => Literal::Boolean(*value),
        AstKind::Number(digits) => number(digits.clone()),
        AstKind::Text(text) => Literal::Text(text.clone()),
        AstKind::Json(json) => Literal::Json(json.clone()),
        AstKind::Unary(UnaryOp::Negate, inner) => match &inner.kind {
            AstKind::Number(digits) => number(format!("-{digits}")),
            _ => return Err(Box::new(scheduled_input::computed(ast.span))),
        },
        _ => return Err(Box::new(scheduled_input::computed(ast.span))),
    };
    // Any JSON may stand where JSON is wanted.
    if ty == ValueType::Basic(Basic::Json) {
        return Ok(json(literal, &ty));
    }
    let mismatch =
        || Box::new(scheduled_input::mismatch(ast.span, &field.name, &expr::describe_value(&ty), &shown(&literal)));
    let literal = expr::adapt(&literal, &ty, ast.span).ok_or_else(mismatch)??;
    Ok(json(literal, &ty))
}

fn number(digits: String) -> Literal {
    if digits.contains('.') { Literal::Decimal(digits) } else { Literal::Integer(digits) }
}

/// NUMERIC goes as text, so that no binary float comes between.
fn json(literal: Literal, ty: &ValueType) -> Value {
    let plain = matches!(ty, ValueType::Basic(_));
    match literal {
        Literal::Null => Value::Null,
        Literal::Boolean(value) => Value::Bool(value),
        Literal::Integer(text) | Literal::Decimal(text) if plain => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        Literal::Integer(text) | Literal::Decimal(text) | Literal::Text(text) => Value::String(text),
        Literal::Interval(seconds) => Value::from(seconds),
        Literal::Json(json) => json,
    }
}

fn shown(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => format!("the text `{}`", text.escape_debug()),
        Literal::Integer(text) | Literal::Decimal(text) => format!("the number `{text}`"),
        Literal::Boolean(value) => format!("`{value}`"),
        _ => "a list or a mapping".to_owned(),
    }
}
