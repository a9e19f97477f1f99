//! Names of derived objects: one snake_case, one way to shorten.

use heck::ToSnakeCase;
use sha2::{Digest, Sha256};

use super::Entity;
pub use crate::syntax::names::MAX_IDENTIFIER;

/// `PurchaseOrder` → `purchase_order`.
#[must_use]
pub fn snake(name: &str) -> String {
    name.to_snake_case()
}

/// `tb_order`: the table of the entity with that snake name.
#[must_use]
pub fn table(snake: &str) -> String {
    derived(&format!("tb_{snake}"))
}

/// `pk_order`: the primary key's column of the entity with that snake name.
#[must_use]
pub fn pk(snake: &str) -> String {
    derived(&format!("pk_{snake}"))
}

/// `order_pk`: the function that finds a row's key.
#[must_use]
pub fn pk_function(entity: &Entity) -> String {
    derived(&format!("{}_pk", entity.snake))
}

/// `order_id`: the function that finds a key's public id.
#[must_use]
pub fn id_function(entity: &Entity) -> String {
    derived(&format!("{}_id", entity.snake))
}

/// A derived name: as it is up to 63 bytes, else its first 54 bytes, `_` and 8 hex digits of its SHA-256.
#[must_use]
pub fn derived(full: &str) -> String {
    if full.len() <= MAX_IDENTIFIER {
        return full.to_owned();
    }
    let digest: String = Sha256::digest(full).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut end = 54;
    while !full.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{digest}", &full[..end])
}
