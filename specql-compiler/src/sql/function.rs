//! Functions whose bodies the user writes, and what PostgreSQL says of these bodies.
//!
//! A body may name tables, views and other functions, and which ones nobody can tell from its text. So such a function is made
//! before all tables and without a look into its body (`functions`); when everything else is there, PostgreSQL reads the bodies
//! ([`check`]).

use super::{
    facts::{Facts, Signature},
    object::{Object, ObjectKind},
    quote::{dollar, ident, literal, qualified},
    types::public_type,
    writer::{Writer, list},
};
use crate::model::{
    Entity, FieldType, Model, SqlFunction,
    function::{Body, Declared, Language},
};

/// The entity's functions that have a body.
pub(super) fn functions(entity: &Entity) -> impl Iterator<Item = Object> {
    entity.functions.iter().filter_map(|function| Some(made(entity, function, function.body.as_ref()?)))
}

fn made(entity: &Entity, function: &SqlFunction, body: &Body) -> Object {
    let name = qualified(&function.schema, &function.name);
    let signature = signature(function);
    let parameters: Vec<String> =
        function.args.iter().map(|arg| format!("{} {}", ident(&arg.name), plain_type(&arg.ty))).collect();
    let returns = plain_type(&function.returns);
    let head = list(&format!("CREATE OR REPLACE FUNCTION {name}("), &parameters, ")");
    let create = format!(
        "{head}\nRETURNS {returns}\nLANGUAGE {}\n{}SET search_path = pg_catalog, pg_temp\nAS {}",
        body.language.name(),
        function.volatility.clause(),
        dollar(&body.text),
    );
    let comment = format!("Function {} of {}, from {}", function.name, entity.name, body.path);
    let facts = Facts::Function(Signature {
        given: parameters,
        result: returns,
        described: true,
        reader: Some(reader(body.language).to_owned()),
        ..Signature::default()
    });
    let statements = vec![
        "SET LOCAL check_function_bodies = off".to_owned(),
        create,
        "SET LOCAL check_function_bodies = DEFAULT".to_owned(),
        format!("COMMENT ON FUNCTION {signature} IS {}", literal(&comment)),
        format!("REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"),
    ];
    Object::made_by(ObjectKind::Function, signature, statements).from(&function.origin).known_as(facts)
}

/// `sales.tax(numeric)`.
#[must_use]
pub fn signature(function: &SqlFunction) -> String {
    let types: Vec<String> = function.args.iter().map(|arg| plain_type(&arg.ty)).collect();
    format!("{}({})", qualified(&function.schema, &function.name), types.join(", "))
}

/// The functions that are only declared.
#[must_use]
pub fn declared(model: &Model) -> Vec<Declared> {
    let all = model.entities.iter().flat_map(|entity| &entity.functions);
    all.filter(|function| function.body.is_none()).map(how_to_ask).collect()
}

fn how_to_ask(function: &SqlFunction) -> Declared {
    let name = qualified(&function.schema, &function.name);
    let args: Vec<String> =
        function.args.iter().map(|arg| format!("{} {}", ident(&arg.name), plain_type(&arg.ty))).collect();
    let nulls: Vec<String> = function.args.iter().map(|arg| format!("NULL::{}", plain_type(&arg.ty))).collect();
    let returns = plain_type(&function.returns);
    Declared {
        shown: format!("{name}({}) returns {returns}", args.join(", ")),
        schema: function.schema.clone(),
        name: function.name.clone(),
        arguments: args.len(),
        // A value of another type meets no NULL of the declared one.
        probe: format!("SELECT coalesce({name}({}), NULL::{returns})", nulls.join(", ")),
    }
}

/// The type of a parameter or a result: PostgreSQL keeps no precision there.
#[must_use]
pub fn plain_type(ty: &FieldType) -> String {
    let ty = public_type(ty).to_lowercase();
    match (ty.find('('), ty.rfind(')')) {
        (Some(from), Some(to)) => format!("{}{}", &ty[..from], &ty[to + 1..]),
        _ => ty,
    }
}

/// The function by which PostgreSQL reads a body.
const fn reader(language: Language) -> &'static str {
    match language {
        Language::Sql => "fmgr_sql_validator",
        Language::Plpgsql => "plpgsql_validator",
    }
}

/// A statement that lets PostgreSQL read the bodies of these functions as it does when one is made, under the setting with which
/// they run. `None`: no user has written one of them.
#[must_use]
pub fn check<'a>(objects: impl Iterator<Item = &'a Object>) -> Option<String> {
    let calls: Vec<String> = objects
        .filter_map(|object| match object.facts() {
            Facts::Function(Signature { reader: Some(reader), .. }) => {
                Some(format!("PERFORM pg_catalog.{reader}({}::pg_catalog.regprocedure);", literal(&object.name)))
            }
            _ => None,
        })
        .collect();
    if calls.is_empty() {
        return None;
    }
    let mut body = Writer::default();
    body.line("DECLARE");
    body.line("    _before CONSTANT TEXT := pg_catalog.current_setting('search_path');");
    body.line("BEGIN");
    body.indent(|w| {
        w.line("-- The bodies of functions, read when all that they may name is there.");
        w.line("PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);");
        calls.iter().for_each(|call| w.line(call));
        w.line("PERFORM pg_catalog.set_config('search_path', _before, true);");
    });
    body.line("END");
    Some(format!("DO {}", dollar(&body.finish())))
}
