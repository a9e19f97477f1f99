//! `services`: the operations that jobs may call.

use proc_macro2::TokenStream;
use quote::quote;
use specql_registry::{Operation, Service};

use super::{
    composites, docs,
    names::{Names, OperationNames, ServiceNames, ident},
    print::{self, Module},
    types::Definitions,
};
use crate::model::Model;

pub(super) fn module(model: &Model, names: &Names) -> Module {
    let doc = docs::doc(["The services of the registry: what each operation takes and answers."]);
    let allow = print::allow();
    let modules = model
        .registry
        .services
        .values()
        .filter_map(|service| {
            let composites = composites::import(names, 2);
            Some(service_module(service, names.services.get(&service.name)?, &composites))
        })
        .collect();
    Module { attributes: quote!(#doc #allow), name: ident("services"), uses: quote!(), items: Vec::new(), modules }
}

fn service_module(service: &Service, names: &ServiceNames, composites: &TokenStream) -> Module {
    let mut items = Vec::new();
    let mut types = names.types.clone();
    for operation in service.operations.values() {
        if let Some(names) = names.operations.get(&operation.name) {
            items.push(marker(service, operation, names));
            for (schema, ident, role, input) in
                [(&operation.input, &names.input, "takes", true), (&operation.output, &names.output, "answers", false)]
            {
                let doc = docs::doc([format!("What [`{}`] {role}.", names.marker)]);
                let mut nested = Vec::new();
                let definition = Definitions { types: &mut types, items: &mut nested, input, strict: false }
                    .schema_struct(ident, schema, doc);
                items.push(definition);
                items.append(&mut nested);
            }
        }
    }
    let doc = docs::doc([
        service.description.clone().unwrap_or_default(),
        format!("The service {} ({}).", docs::code(&service.name), service.execution_type.display_name()),
    ]);
    Module {
        attributes: doc,
        name: names.module.clone(),
        uses: quote!(
            #composites
            use ::specql_runtime::{
                __private::{bon, serde},
                client, value,
            };
        ),
        items,
        modules: Vec::new(),
    }
}

fn marker(service: &Service, operation: &Operation, names: &OperationNames) -> TokenStream {
    let OperationNames { marker, input, output, .. } = names;
    let doc = docs::doc([
        operation.description.clone().unwrap_or_default(),
        format!("The operation {}.", docs::code(&format!("{}.{}", service.name, operation.name))),
    ]);
    let (service, operation) = (&service.name, &operation.name);
    quote! {
        #doc
        #[derive(Clone, Copy, Debug)]
        pub struct #marker;

        impl client::Operation for #marker {
            const SERVICE: &'static str = #service;
            const OPERATION: &'static str = #operation;
            type Input = #input;
            type Output = #output;
        }
    }
}
