//! Pairs that chance is slow to find.

use crate::{
    edit::Edit,
    pair::{Bench, Pair},
    project::{Action, Entity, Field, Project, Rules, Step, Type},
};

fn entity(key: usize, name: &str, schema: &str) -> Entity {
    let note = Field {
        key: key + 1,
        name: "note".to_owned(),
        ty: Type::Text,
        required: false,
        default: None,
        unique: false,
        description: None,
    };
    Entity {
        key,
        name: name.to_owned(),
        schema: schema.to_owned(),
        description: None,
        fields: vec![note],
        actions: vec![Action::Create],
        schedule: None,
        rules: Rules::default(),
    }
}

/// An order in `sales` whose call is followed by callbacks, and a customer elsewhere.
fn orders() -> Project {
    let mut order = entity(10, "Order", "sales");
    order.actions.push(Action::Own {
        name: "settle_order".to_owned(),
        description: None,
        steps: vec![Step::Set { field: 11 }, Step::Call { on_success: Some(11), on_failure: Some(11) }],
    });
    Project { entities: vec![order, entity(20, "Customer", "crm")], service: true, ..Project::default() }
}

async fn holds(edits: Vec<Edit>, then: Vec<Edit>) {
    let pair = Pair { seed: 0, before: orders(), edits, then };
    if let Err(failure) = Bench::new().run(&pair).await {
        panic!("{}", failure.told(&pair));
    }
}

#[tokio::test]
async fn a_schema_that_is_kept_for_a_retired_callback_goes_with_the_queue() {
    holds(vec![Edit::DropEntity(10)], vec![Edit::Service(false)]).await;
}

#[tokio::test]
async fn a_schema_that_is_kept_for_a_retired_callback_is_there_when_an_entity_comes_back() {
    holds(vec![Edit::DropEntity(10)], vec![Edit::AddEntity(entity(30, "Offer", "sales"))]).await;
}

#[tokio::test]
async fn a_callback_that_was_retired_comes_back() {
    let order = orders().entities.remove(0);
    let settle = order.actions[1].clone();
    let drop = Edit::DropAction { entity: 10, index: 1 };
    holds(vec![drop], vec![Edit::AddAction { entity: 10, action: settle }]).await;
}

#[tokio::test]
async fn a_retired_callback_follows_its_table_under_another_name() {
    let rename = Edit::RenameEntity { entity: 10, name: "Purchase".to_owned() };
    holds(vec![Edit::DropAction { entity: 10, index: 1 }], vec![rename]).await;
}

#[tokio::test]
async fn a_retired_callback_goes_on_in_another_schema() {
    let there = Edit::Move { entity: 10, schema: "crm".to_owned() };
    holds(vec![Edit::DropAction { entity: 10, index: 1 }], vec![there]).await;
}

#[tokio::test]
async fn what_is_unique_from_now_on_may_be_so_beside_an_equal_row_that_was_deleted() {
    let unique = |unique| Edit::Unique { entity: 10, field: 11, unique };
    holds(vec![unique(true)], vec![unique(false)]).await;
}

#[tokio::test]
async fn what_is_unique_stays_so_under_another_name() {
    let rename = |name: &str| Edit::RenameEntity { entity: 10, name: name.to_owned() };
    let unique = |unique| Edit::Unique { entity: 10, field: 11, unique };
    holds(vec![unique(true), rename("Purchase")], vec![rename("Sale"), unique(false)]).await;
}
