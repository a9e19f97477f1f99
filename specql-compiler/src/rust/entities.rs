//! `entities`: rows, as actions report them.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    composites, docs, enums,
    names::{Names, Scope, ident},
    print::{self, Module},
    structs::{self, Presence, Struct},
    types::{self, RustType},
};
use crate::model::{Entity, EntityId, Field, FieldId, FieldType, Model};

pub(super) fn module(model: &Model, names: &Names) -> Module {
    let mut items = Vec::new();
    for (index, entity) in model.entities.iter().enumerate() {
        let id = EntityId(index);
        if let Some(row) = row(model, names, id, entity) {
            items.push(row);
            items.extend(names.entities.get(&id).map(|ident| from_row(ident, entity)));
        }
        for (field_index, field) in entity.fields.iter().enumerate() {
            let FieldType::Value(ty) = &field.ty else { continue };
            if let (Some(values), Some(name)) = (enums::values(ty), names.enums.get(&(id, FieldId(field_index)))) {
                let doc = docs::doc([format!(
                    "{} of [`{}`]: {} (`{}`).",
                    docs::code(&field.name),
                    names.entities.get(&id).map(ToString::to_string).unwrap_or_default(),
                    docs::code(&ty.to_string()),
                    field.origin
                )]);
                items.push(enums::definition(name, values, doc));
            }
        }
    }
    let doc = docs::doc(["The project's entities: a row of each, as actions report it."]);
    let allow = print::allow();
    let composites = composites::import(names, 1);
    Module {
        attributes: quote!(#doc #allow),
        name: ident("entities"),
        uses: quote!(
            #composites
            use ::specql_runtime::{__private::{serde, sqlx}, value};
        ),
        items,
        modules: Vec::new(),
    }
}

fn row(model: &Model, names: &Names, id: EntityId, entity: &Entity) -> Option<TokenStream> {
    let mut scope = Scope::values();
    // The system's fields are of these names, and no declared field may be.
    let [public_id, identifier, created_at, updated_at] =
        ["id", "identifier", "created_at", "updated_at"].map(|name| scope.claim_value(name));
    let system = |ident, name: &str, text: &str, ty| structs::Field {
        name: name.to_owned(),
        ident,
        doc: docs::doc([text]),
        ty,
        presence: Presence::Required,
    };
    let timestamp = || RustType::of(quote!(value::Timestamp));

    let text = RustType { text: true, ..RustType::of(quote!(String)) };
    let mut fields = vec![
        system(public_id, "id", "The row's public id.", RustType::uuid()),
        structs::Field {
            presence: Presence::Optional,
            ..system(identifier, "identifier", "The row's human readable id, where it has one.", text)
        },
    ];
    let rust_names = structs::field_names(&mut scope, entity.fields.iter().map(|field| &field.name));
    for ((index, field), rust_name) in entity.fields.iter().enumerate().zip(rust_names) {
        fields.push(structs::Field {
            name: field.name.clone(),
            ident: rust_name,
            doc: field_doc(model, field),
            ty: field_type(names, id, FieldId(index), field, &quote!()),
            presence: if field.required { Presence::Required } else { Presence::Optional },
        });
    }
    fields.push(system(created_at, "created_at", "When the row was inserted.", timestamp()));
    fields.push(system(updated_at, "updated_at", "When the row was last written.", timestamp()));

    let doc = docs::doc([
        entity.description.clone().unwrap_or_default(),
        format!("A row of `{}.{}` (`{}`).", entity.schema, entity.table(), entity.origin),
    ]);
    let ident = names.entities.get(&id)?.clone();
    Some(structs::definition(&Struct { ident, doc, fields, strict: false, rows: true, builder: false }))
}

/// `query_as::<_, Order>("SELECT data FROM sales.v_order")`.
fn from_row(ident: &proc_macro2::Ident, entity: &Entity) -> TokenStream {
    let doc = docs::doc([format!("Reads the column `data` of `{}.{}`.", entity.schema, entity.view())]);
    quote! {
        #doc
        impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for #ident {
            fn from_row(row: &'r sqlx::postgres::PgRow) -> sqlx::Result<Self> {
                value::from_view(row)
            }
        }
    }
}

/// The Rust type of a declared field; `prefix` leads to this module from where the type is named.
pub(super) fn field_type(
    names: &Names,
    entity: EntityId,
    id: FieldId,
    field: &Field,
    prefix: &TokenStream,
) -> RustType {
    match &field.ty {
        FieldType::Ref { .. } => RustType::uuid(),
        FieldType::Value(ty) => {
            let known = names.enums.get(&(entity, id));
            types::with_enum(ty, &quote!(#prefix #known))
        }
    }
}

/// What a field is, as it is written in YAML.
pub(super) fn field_doc(model: &Model, field: &Field) -> TokenStream {
    let required = if field.required { "!" } else { "" };
    let text = format!("{}: {}{required}", field.name, type_text(model, &field.ty));
    docs::doc([field.description.clone().unwrap_or_default(), format!("{} (`{}`)", docs::code(&text), field.origin)])
}

/// A field's type as it is written in YAML.
pub(super) fn type_text(model: &Model, ty: &FieldType) -> String {
    match ty {
        FieldType::Value(ty) => ty.to_string(),
        FieldType::Ref { target, .. } => {
            let target = model.entity(*target);
            format!("ref({}.{})", target.schema, target.name)
        }
    }
}
