//! Cutting a pair down while it fails at the same point.

use crate::pair::{Bench, Failure, Pair};

/// So many smaller pairs are tried.
const TRIES: usize = 120;

/// The smallest pair that was found to fail at the same point, and how it fails.
pub(crate) async fn smallest(pair: &Pair, failure: Failure) -> (Pair, Failure) {
    let mut bench = Bench::new();
    let (mut smallest, mut failure) = (pair.clone(), failure);
    let mut left = TRIES;
    'again: loop {
        for candidate in smaller(&smallest) {
            if left == 0 {
                return (smallest, failure);
            }
            left -= 1;
            if let Err(other) = bench.run(&candidate).await
                && other.at == failure.at
            {
                (smallest, failure) = (candidate, other);
                continue 'again;
            }
        }
        return (smallest, failure);
    }
}

/// This pair without one edit, entity, action or field, or with one that says less.
fn smaller(pair: &Pair) -> Vec<Pair> {
    let mut found = Vec::new();
    for index in 0..pair.edits.len() {
        let mut cut = pair.clone();
        cut.edits.remove(index);
        found.push(cut);
    }
    for index in 0..pair.then.len() {
        let mut cut = pair.clone();
        cut.then.remove(index);
        found.push(cut);
    }
    let mut without = |cut: &dyn Fn(&mut Pair)| {
        let mut smaller = pair.clone();
        cut(&mut smaller);
        smaller.before.tidy();
        if smaller != *pair && !smaller.before.entities.is_empty() {
            found.push(smaller);
        }
    };
    without(&|pair| pair.before.service = false);
    without(&|pair| pair.before.multi_tenant.clear());
    without(&|pair| pair.before.descriptions.clear());
    for index in 0..pair.before.entities.len() {
        without(&|pair| {
            pair.before.entities.remove(index);
        });
        let entity = &pair.before.entities[index];
        without(&|pair| pair.before.entities[index].actions.clear());
        for field in 0..entity.fields.len() {
            without(&|pair| {
                pair.before.entities[index].fields.remove(field);
            });
            without(&|pair| {
                let field = &mut pair.before.entities[index].fields[field];
                (field.description, field.default, field.unique, field.required) = (None, None, false, false);
            });
        }
        without(&|pair| pair.before.entities[index].description = None);
    }
    found
}
