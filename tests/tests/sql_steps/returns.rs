//! return.

use serde_json::{Value, json};

use crate::support::{Depot, Outcome};

#[tokio::test]
async fn return_ends_the_action_and_says_what_it_reports() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new")]).await?;
    let mut input = depot.id_of("a").await?;
    for (how, message, returned) in [
        ("words", json!("Nothing to do"), Value::Null),
        ("word", json!("done"), Value::Null),
        ("text", json!("it is a"), Value::Null),
        ("number", Value::Null, json!(10)),
        ("ref", Value::Null, json!(depot.id)),
        ("nothing", Value::Null, Value::Null),
    ] {
        input["how"] = json!(how);
        let done = depot.succeed("quick", input.clone()).await?;
        assert_eq!((&done["message"], &done["extra_metadata"]["return"]), (&message, &returned), "{how}: {done}");
        assert_eq!((&done["object_data"]["sku"], &done["object_data"]["stock"]), (&json!("a"), &json!(5)), "{how}");
        assert_eq!(done["updated_fields"], json!([]));
    }
    input["how"] = json!("row");
    let done = depot.succeed("quick", input.clone()).await?;
    assert_eq!((&done["object_data"]["stock"], &done["updated_fields"]), (&json!(99), &json!(["stock"])));
    input["how"] = json!("another");
    let done = depot.succeed("quick", input).await?;
    assert_eq!((&done["id"], &done["object_data"]["name"]), (&json!(depot.id), &json!("depot")));
    Ok(())
}
