//! `enqueue`: queueing a call straight from Rust.

use proc_macro2::TokenStream;
use quote::quote;
use specql_registry::{Operation, Service};

use super::{
    docs,
    names::{Names, OperationNames, ServiceNames, ident},
    print::{self, Module},
};
use crate::model::Model;

pub(super) fn module(model: &Model, names: &Names) -> Module {
    let doc = docs::doc(["Queues calls of services; nothing happens before `.send(…)`."]);
    let allow = print::allow();
    let modules = model
        .registry
        .services
        .values()
        .filter_map(|service| Some(service_module(service, names.services.get(&service.name)?)))
        .collect();
    Module { attributes: quote!(#doc #allow), name: ident("enqueue"), uses: quote!(), items: Vec::new(), modules }
}

fn service_module(service: &Service, names: &ServiceNames) -> Module {
    let module = &names.module;
    let items = service
        .operations
        .values()
        .filter_map(|operation| Some(functions(module, service, operation, names.operations.get(&operation.name)?)))
        .collect();
    Module {
        attributes: docs::doc([format!("Queues calls of {}.", docs::code(&service.name))]),
        name: module.clone(),
        uses: quote!(
            use super::super::services;
            use ::specql_runtime::client;
        ),
        items,
        modules: Vec::new(),
    }
}

fn functions(
    module: &proc_macro2::Ident,
    service: &Service,
    operation: &Operation,
    names: &OperationNames,
) -> TokenStream {
    let OperationNames { marker, input, function, many, .. } = names;
    let name = docs::code(&format!("{}.{}", service.name, operation.name));
    let one_doc = docs::doc([operation.description.clone().unwrap_or_default(), format!("Queues a call of {name}.")]);
    let many_doc = docs::doc([format!("Queues many calls of {name} with one statement.")]);
    quote! {
        #one_doc
        pub fn #function(input: services::#module::#input) -> client::Enqueue<services::#module::#marker> {
            client::Enqueue::new(input)
        }

        #many_doc
        pub fn #many(inputs: Vec<services::#module::#input>) -> client::EnqueueMany<services::#module::#marker> {
            client::EnqueueMany::new(inputs)
        }
    }
}
