//! The functions that lead from a row's public id to its key, and back.

use super::{
    entity::{CURRENT_TENANT, tenant_and},
    facts::{Facts, Signature},
    object::{Object, ObjectKind},
    quote::{dollar, ident, literal, qualified},
    types::key_type,
};
use crate::model::{
    Entity,
    names::{id_function, pk_function},
};

/// `order_pk(uuid)` and `order_id(integer)`, or `(bigint)` where that is the key.
pub(super) fn helpers(entity: &Entity) -> [Object; 2] {
    let pk = ident(&entity.pk());
    let key = key_type(entity.key);
    let live = " AND t.deleted_at IS NULL";
    [
        helper(
            entity,
            &Helper {
                name: pk_function(entity),
                parameter: ("_id", "UUID", "uuid"),
                returns: key,
                column: &pk,
                condition: format!("t.id = _id{live}"),
                words: format!("The key of the live {} with this public id", entity.name),
            },
        ),
        helper(
            entity,
            &Helper {
                name: id_function(entity),
                parameter: ("_pk", key, &key.to_lowercase()),
                returns: "UUID",
                column: "id",
                condition: format!("t.{pk} = _pk"),
                words: format!("The public id of the {} with this key, deleted or not", entity.name),
            },
        ),
    ]
}

struct Helper<'a> {
    name: String,
    /// Its name, its type, and that type as PostgreSQL prints it.
    parameter: (&'a str, &'a str, &'a str),
    returns: &'a str,
    column: &'a str,
    condition: String,
    words: String,
}

fn helper(entity: &Entity, helper: &Helper<'_>) -> Object {
    let name = qualified(&entity.schema, &helper.name);
    let (parameter, ty, shown) = helper.parameter;
    let signature = format!("{name}({shown})");
    let body = format!(
        "SELECT t.{}\nFROM {} AS t\nWHERE {}{};",
        helper.column,
        qualified(&entity.schema, &entity.table()),
        helper.condition,
        tenant_and(entity, "t", CURRENT_TENANT),
    );
    let create = format!(
        "CREATE OR REPLACE FUNCTION {name}({parameter} {ty})\nRETURNS {}\nLANGUAGE sql\nSTABLE\nSET search_path = pg_catalog, pg_temp\nAS {}",
        helper.returns,
        dollar(&body),
    );
    let facts = Facts::Function(Signature {
        given: vec![format!("{parameter} {ty}")],
        result: helper.returns.to_owned(),
        described: true,
        ..Signature::default()
    });
    Object::made_by(
        ObjectKind::Function,
        signature.clone(),
        vec![
            create,
            format!("COMMENT ON FUNCTION {signature} IS {}", literal(&helper.words)),
            format!("REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"),
        ],
    )
    .from(&entity.origin)
    .known_as(facts)
}
