//! Actions as functions: an input type, a core with the steps, a public wrapper, and the callbacks of its calls.
//!
//! | status | when |
//! |---|---|
//! | `success` | all steps were done |
//! | `validation:invalid_payload` | the payload is no JSON object |
//! | `validation:unknown_field_<name>` | it has a key that the action does not take |
//! | `validation:missing_<name>` | a required input is absent or null, or a step gives NULL to a required field |
//! | `validation:missing_tenant` | the action works on rows of tenants, and the tenant is NULL |
//! | `validation:invalid_<name>` | an input is not of its type, or outside of what that allows |
//! | `validation:unknown_<name>` | a ref names a row that does not exist |
//! | `validation:<code>` | a `validate` step |
//! | `validation:<constraint>` | a step gives a field what a CHECK does not allow |
//! | `validation:too_large` | a value is larger than the database can hold |
//! | `validation:invalid_pattern` | what is right of `LIKE`, `~` and the like cannot be read |
//! | `validation:fraction_of_minor_unit` | `app.minor_units` of an amount that its currency cannot pay |
//! | `not_found` | the row that the action works on, or that a `find` asks for, does not exist |
//! | `conflict:<constraint>` | a unique or foreign key was violated |
//! | `conflict:idempotency_key` | a job with another input holds the key of a `call_service` |
//! | `failed:<code>` | a `reject` step |
//! | `failed:not_implemented` | the action has no steps |
//! | `failed:unknown_operation` | the database does not know the operation that a step calls |
//! | `failed:division_by_zero` | an expression divided by zero |
//! | `failed:out_of_range` | a number was computed that its type cannot hold |
//! | `failed:out_of_keys` | the table has no key left for another row |
//! | `failed:unexpected_error` | anything else; the audit log has the SQLSTATE and the message |

mod callback;
mod callback_batch;
mod callback_rows;
mod core;
mod input;
mod step;
mod volatility;
mod wrapper;

pub(super) use self::{
    callback::{callbacks, function as callback, registration},
    callback_batch::function as callback_batch,
    core::core,
    input::input_type,
    step::locks_first,
    wrapper::wrapper,
};

use super::{
    facts::{Facts, Signature},
    object::{Need, Object, ObjectKind},
    quote::{comment, dollar, literal},
    writer::Writer,
};
use crate::{
    model::{Action, function::Volatility, names},
    source::Origin,
};

/// What an action answers.
const MUTATION_RESULT: &str = "app.mutation_result";

/// A PL/pgSQL function that is about to be written.
struct Function {
    /// `sales.place_order`.
    name: String,
    /// Name and type.
    parameters: Vec<(String, String)>,
    returns: &'static str,
    /// The types among its parameters and what it returns that are not PostgreSQL's own.
    types: Vec<Need>,
    /// Runs with its owner's rights.
    definer: bool,
    /// Further `SET` clauses, each with a space before it.
    settings: &'static str,
    volatility: Volatility,
    comment: String,
    origin: Origin,
    body: Writer,
}

impl Function {
    /// The object. Nobody may call it until they are granted that.
    fn object(self) -> Object {
        let parameters: Vec<String> = self.parameters.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        let types: Vec<&str> = self.parameters.iter().map(|(_, ty)| type_in_signature(ty)).collect();
        let signature = format!("{}({})", self.name, types.join(", "));
        let head = super::writer::list(&format!("CREATE OR REPLACE FUNCTION {}(", self.name), &parameters, ")");
        let volatility = self.volatility.clause();
        let security = if self.definer { "SECURITY DEFINER\n" } else { "" };
        let create = format!(
            "{head}\nRETURNS {}\nLANGUAGE plpgsql\n{volatility}{security}SET search_path = pg_catalog, pg_temp{}\nAS {}",
            self.returns,
            self.settings,
            dollar(&self.body.finish()),
        );
        let facts = Facts::Function(Signature {
            given: parameters,
            result: self.returns.to_owned(),
            described: true,
            ..Signature::default()
        });
        Object::made_by(
            ObjectKind::Function,
            signature.clone(),
            vec![
                create,
                format!("COMMENT ON FUNCTION {signature} IS {}", literal(&self.comment)),
                format!("REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"),
            ],
        )
        .from(&self.origin)
        .that_needs(self.types)
        .known_as(facts)
    }
}

/// A parameter's type as PostgreSQL prints it.
fn type_in_signature(ty: &str) -> &str {
    match ty {
        "UUID" => "uuid",
        "JSONB" => "jsonb",
        other => other,
    }
}

/// The name of an action's input type, without its schema.
fn input_type_name(action: &Action) -> String {
    names::derived(&format!("type_{}_input", action.wrapper))
}

/// `-- entities/order.yaml:12: words`.
fn source_line(origin: &Origin, words: &str) -> String {
    format!("-- {}", comment(&format!("{origin}: {words}")))
}
