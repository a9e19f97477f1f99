//! `actions`: calling the project's actions.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    composites, docs, entities, enums,
    names::{Names, Scope, ident},
    print::{self, Module},
    structs::{self, Field, Presence, Struct},
    types::{Definitions, RustType},
};
use crate::model::{Action, Entity, EntityId, FieldType, InputField, Model, Step, StepKind, effects::Awaited};

pub(super) fn module(model: &Model, names: &Names) -> Module {
    let doc = docs::doc(["The actions of each entity; nothing happens before `.send(…)`."]);
    let allow = print::allow();
    let modules = model
        .entities
        .iter()
        .enumerate()
        .filter(|(_, entity)| !entity.actions.is_empty())
        .filter_map(|(index, entity)| entity_module(model, names, EntityId(index), entity))
        .collect();
    Module { attributes: quote!(#doc #allow), name: ident("actions"), uses: quote!(), items: Vec::new(), modules }
}

fn entity_module(model: &Model, names: &Names, id: EntityId, entity: &Entity) -> Option<Module> {
    let mut types = Scope::types();
    let mut functions = Scope::values();
    let composites = composites::import(names, 2);
    let claimed: Vec<_> = entity
        .actions
        .iter()
        .map(|action| (action, types.claim_type(&action.name), functions.claim_value(&action.name)))
        .collect();
    let mut items = Vec::new();
    for (action, input, function) in claimed {
        let mut nested = Vec::new();
        let mut definitions = Definitions { types: &mut types, items: &mut nested, input: true, strict: true };
        items.push(input_struct(model, names, action, &input, &mut definitions));
        items.append(&mut nested);
        items.push(call(names, entity, action, &input, &function));
    }
    Some(Module {
        attributes: docs::doc([format!("Actions of {} (`{}`).", docs::code(&entity.name), entity.origin)]),
        name: names.action_modules.get(&id)?.clone(),
        uses: quote!(
            #composites
            use super::super::entities;
            use ::specql_runtime::{
                __private::{bon, serde},
                client, value,
            };
        ),
        items,
        modules: Vec::new(),
    })
}

fn input_struct(
    model: &Model,
    names: &Names,
    action: &Action,
    ident: &proc_macro2::Ident,
    definitions: &mut Definitions<'_>,
) -> TokenStream {
    let partial = updates_partially(&action.steps);
    let mut scope = Scope::values();
    let rust_names = structs::field_names(&mut scope, action.input.iter().map(|field| &field.name));
    let fields = action
        .input
        .iter()
        .zip(rust_names)
        .map(|(field, rust_name)| Field {
            name: field.name.clone(),
            ident: rust_name,
            doc: input_doc(model, field),
            ty: input_type(model, names, field, ident, definitions),
            presence: presence(model, field, partial),
        })
        .collect();
    let doc = docs::doc([
        format!("What {} takes. As JSON it has the keys of the YAML and no others.", docs::code(&action.name)),
        if partial {
            "A field that is not set stays as it is; one that is set to `None` is emptied.".to_owned()
        } else {
            String::new()
        },
    ]);
    structs::definition(&Struct { ident: ident.clone(), doc, fields, strict: true, rows: false, builder: true })
}

fn call(
    names: &Names,
    entity: &Entity,
    action: &Action,
    input: &proc_macro2::Ident,
    function: &proc_macro2::Ident,
) -> TokenStream {
    let row = action
        .reported_entity()
        .and_then(|entity| names.entities.get(&entity))
        .map_or_else(|| quote!(value::Json), |row| quote!(entities::#row));
    let tenant = match (entity.multi_tenant, action.effects.for_tenant) {
        (true, _) => "Needs `.tenant(…)`: the schema is multi-tenant.",
        (false, true) => "Needs `.tenant(…)`: it works on rows of a multi-tenant schema.",
        (false, false) => "",
    };
    let needs = if action.effects.for_tenant { quote!(, client::NeedsTenant) } else { quote!() };
    let awaited = &action.effects.awaited;
    let doc = docs::doc([
        action.description.clone().unwrap_or_default(),
        format!("Calls {} (`{}`).", docs::code(&format!("app.{}", action.wrapper)), action.origin),
        tenant.to_owned(),
        awaited_doc(awaited),
        if action.not_implemented { "It has no steps yet and always fails.".to_owned() } else { String::new() },
    ]);
    let wrapper = &action.wrapper;
    let awaited_const = awaited_const(awaited);
    quote! {
        impl client::Action for #input {
            const WRAPPER: &'static str = #wrapper;
            #awaited_const
            type Row = #row;
        }

        #doc
        pub fn #function(input: #input) -> client::ActionCall<#input #needs> {
            client::ActionCall::new(input)
        }
    }
}

fn awaited_doc(calls: &[Awaited]) -> String {
    if calls.is_empty() {
        return String::new();
    }
    let names: Vec<String> =
        calls.iter().map(|call| docs::code(&format!("{}.{}", call.service, call.operation))).collect();
    format!(
        "Returns when {} is done (`async: false`) or its `timeout` is over, but at once inside the caller's own transaction.",
        names.join(", ")
    )
}

/// `AWAITED`, where it is not the trait's empty one.
fn awaited_const(calls: &[Awaited]) -> TokenStream {
    if calls.is_empty() {
        return TokenStream::new();
    }
    let calls = calls.iter().map(|call| {
        let Awaited { service, operation, ordinal, seconds } = call;
        quote! {
            client::AwaitedCall {
                step: #ordinal, service: #service, operation: #operation, timeout: ::std::time::Duration::from_secs(#seconds),
            }
        }
    });
    quote!(const AWAITED: &'static [client::AwaitedCall] = &[#(#calls),*];)
}

fn input_type(
    model: &Model,
    names: &Names,
    field: &InputField,
    action: &proc_macro2::Ident,
    definitions: &mut Definitions<'_>,
) -> RustType {
    let FieldType::Value(ty) = &field.ty else { return RustType::uuid() };
    // An enum that comes from a field is that field's type.
    match field.field {
        Some((entity, id)) if enums::values(ty).is_some() && names.enums.contains_key(&(entity, id)) => {
            entities::field_type(names, entity, id, model.entity(entity).field(id), &quote!(entities::))
        }
        _ => definitions.value(ty, &format!("{action}_{}", field.name)),
    }
}

fn input_doc(model: &Model, field: &InputField) -> TokenStream {
    let required = if field.required { "!" } else { "" };
    let text = format!("{}: {}{required}", field.name, entities::type_text(model, &field.ty));
    let source = field.field.map(|(entity, id)| model.entity(entity).field(id));
    let description = source.and_then(|field| field.description.clone()).unwrap_or_default();
    let origin = source.map(|field| format!(" (`{}`)", field.origin)).unwrap_or_default();
    docs::doc([description, format!("{}{origin}", docs::code(&text))])
}

/// Whether an update in these steps leaves fields alone whose input is not given.
fn updates_partially(steps: &[Step]) -> bool {
    steps.iter().any(|step| {
        matches!(step.kind, StepKind::Update { partial: true, .. }) || step.branches().any(updates_partially)
    })
}

fn presence(model: &Model, field: &InputField, partial: bool) -> Presence {
    if field.required {
        return Presence::Required;
    }
    match field.field.filter(|_| partial).map(|(entity, id)| model.entity(entity).field(id).required) {
        None => Presence::Optional,
        Some(true) => Presence::Replace,
        Some(false) => Presence::Change,
    }
}
