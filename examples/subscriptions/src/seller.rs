//! A seller: a tenant, and what it sees of its rows.

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use specql_runtime::Database;
use sqlx::types::{Json, Uuid};

use crate::{
    actions::{
        self,
        account::CreateAccount,
        seller::{CreateSeller, DeleteSeller},
    },
    entities::{Invoice, Refund, Subscription},
    time,
};

/// Closes all sellers: the schedule leaves them out from now on, and their jobs are not carried out. A story that was broken off
/// leaves some, of which the stand-ins of the next one know nothing.
pub(crate) async fn close_all(db: &Database) -> anyhow::Result<()> {
    let sellers: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM platform.v_seller").fetch_all(db.pool()).await?;
    for id in sellers {
        let sql = "SELECT jobs.cancel(id) FROM jobs.v_job_run WHERE tenant_id = $1 AND completed_at IS NULL";
        sqlx::query(sql).bind(id).execute(db.pool()).await?;
        actions::seller::delete_seller(DeleteSeller::builder().id(id).build()).send(db).await?;
    }
    Ok(())
}

/// A seller. Its id is the tenant of its rows.
pub(crate) struct Seller<'a> {
    pub(crate) id: Uuid,
    /// From which it sends mails.
    pub(crate) sender: &'static str,
    db: &'a Database,
}

impl<'a> Seller<'a> {
    /// Opens a seller together with its account: both or neither.
    pub(crate) async fn open(
        db: &'a Database,
        name: &str,
        sender: &'static str,
        zone: &str,
        prefix: &str,
    ) -> anyhow::Result<Self> {
        let mut transaction = db.begin().await?;
        let seller = CreateSeller::builder().name(name.to_owned()).build();
        let seller = actions::seller::create_seller(seller).send(&mut transaction).await?;
        let id = seller.id.context("a new seller has an id")?;
        let account = CreateAccount::builder()
            .seller(id)
            .sender(sender.parse()?)
            .zone(zone.parse()?)
            .prefix(prefix.to_owned())
            .build();
        actions::account::create_account(account).tenant(id).send(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Self { id, sender, db })
    }

    /// Its subscription of that id.
    pub(crate) async fn subscription(&self, id: Uuid) -> anyhow::Result<Subscription> {
        let rows = self.rows("SELECT data FROM billing.v_subscription WHERE id = $1", id).await?;
        rows.into_iter().next().with_context(|| format!("no subscription {id}"))
    }

    /// The invoices of a subscription, from the first month on.
    pub(crate) async fn invoices(&self, subscription: Uuid) -> anyhow::Result<Vec<Invoice>> {
        let sql =
            "SELECT data FROM billing.v_invoice WHERE data ->> 'subscription' = $1::text ORDER BY data ->> 'begins_on'";
        self.rows(sql, subscription).await
    }

    /// The refunds of an invoice.
    pub(crate) async fn refunds(&self, invoice: Uuid) -> anyhow::Result<Vec<Refund>> {
        self.rows("SELECT data FROM billing.v_refund WHERE data ->> 'invoice' = $1::text", invoice).await
    }

    /// Rows of this seller, and of no other: the transaction acts for it.
    async fn rows<T: DeserializeOwned>(&self, sql: &'static str, id: Uuid) -> anyhow::Result<Vec<T>> {
        let mut transaction = self.db.begin_as(self.id).await?;
        let rows: Vec<Json<serde_json::Value>> = sqlx::query_scalar(sql).bind(id).fetch_all(&mut *transaction).await?;
        rows.into_iter().map(|Json(row)| Ok(serde_json::from_value(row)?)).collect()
    }

    /// Waits until all of its jobs have ended, with those that their callbacks queue.
    pub(crate) async fn settled(&self) -> anyhow::Result<()> {
        let sql = "SELECT NOT EXISTS (SELECT FROM jobs.v_job_run WHERE tenant_id = $1 AND completed_at IS NULL)";
        time::until("`specql jobs list` shows whether all jobs have ended", async || {
            sqlx::query_scalar(sql).bind(self.id).fetch_one(self.db.pool()).await
        })
        .await
    }
}
