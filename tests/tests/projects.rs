//! Projects that must compile through `specql!("dir")`: a folder of `projects/` each. Those that must not are in `ui.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

/// What the overview shows: an action, and a call straight from Rust.
mod an_order_and_its_charge {
    use specql_runtime::Database;

    specql_macros::specql!("projects/an_order_and_its_charge");

    async fn run() -> Result<(), Box<dyn std::error::Error>> {
        let db = Database::open(&PROJECT).await?;
        db.migrate().await?;
        let placed = actions::order::place_order(
            actions::order::PlaceOrder::builder().customer_email("a@b.eu".parse()?).total(4200).build(),
        )
        .send(&db)
        .await?;
        let order: Option<entities::Order> = placed.row;
        assert_eq!(order.and_then(|order| order.payment_status), Some(entities::OrderPaymentStatus::Unpaid));

        let mut tx = db.begin().await?;
        let job = enqueue::stripe::create_charge(services::stripe::CreateChargeInput::builder().amount(4200).build())
            .correlation_id("order-17")
            .send(&mut tx)
            .await?;
        tx.commit().await?;
        let charge: services::stripe::CreateChargeOutput = job.outcome(&db).await?;
        println!("{}", charge.id);
        Ok(())
    }

    #[test]
    fn its_futures_can_be_spawned() {
        fn spawnable<F: Future + Send>(_: F) {}
        spawnable(async { run().await.map_err(|error| error.to_string()) });
        assert!(PROJECT.uses_jobs);
    }
}

mod names_of_rust {
    specql_macros::specql!("projects/names_of_rust");

    #[test]
    fn names_that_rust_reserves_are_still_names() {
        let input = actions::r#match::CreateMatch::builder().r#type("cup").r#async("home").build();
        assert_eq!(serde_json::to_value(&input).unwrap(), serde_json::json!({"type": "cup", "async": "home"}));
        let _ = actions::r#match::create_match(input);
        let _: Option<entities::Match> = None;
    }
}

mod without_jobs {
    specql_macros::specql!("projects/without_jobs");

    #[test]
    fn a_project_that_calls_no_service_says_so() {
        assert!(!PROJECT.uses_jobs);
        let _ = actions::note::create_note(actions::note::CreateNote::builder().text("hello").build());
    }
}
