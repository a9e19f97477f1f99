//! `cases.yaml` of an application: what its actions answer, as people read it.
//!
//! A text `$name` stands for the id of a fixture, which is made when it is first named; `$name@tenant` for that of another
//! tenant; `$it` for the row that the action reported; `$nobody` for an id that no row has;
//! `$shop.order` for the newest row of an entity. `"*"` in what is expected is any value but null.

use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use specql_tests::corpus::App;
use uuid::Uuid;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    /// Tenants by name; the first one is that of cases that name none.
    #[serde(default)]
    pub(crate) tenants: IndexMap<String, Uuid>,
    /// Rows that cases begin with: one call, or several about the same row.
    #[serde(default)]
    pub(crate) fixtures: IndexMap<String, OneOrMany>,
    /// By wrapper name.
    pub(crate) actions: IndexMap<String, ActionCases>,
}

/// `{create_customer: {…}}`, or a list of such.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    Many(Vec<IndexMap<String, Value>>),
    One(IndexMap<String, Value>),
}

/// What an action does, and what it refuses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionCases {
    #[serde(default)]
    pub(crate) good: Vec<Case>,
    #[serde(default)]
    pub(crate) bad: Vec<Case>,
}

/// One call of an action.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// In words.
    pub(crate) does: String,
    /// Fixtures that are there, though the input names none of them.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// What happens before: calls and ends of jobs.
    #[serde(default)]
    pub(crate) given: Vec<IndexMap<String, Value>>,
    /// Who calls.
    pub(crate) tenant: Option<String>,
    #[serde(default)]
    pub(crate) input: Value,
    /// Of the result; `success` where it is not named.
    pub(crate) status: Option<String>,
    /// What the message holds.
    pub(crate) message: Option<String>,
    /// Members of `object_data`.
    pub(crate) returns: Option<Value>,
    /// Members of `extra_metadata`.
    pub(crate) metadata: Option<Value>,
    #[serde(flatten)]
    pub(crate) after: After,
    /// What happens later.
    #[serde(default)]
    pub(crate) then: Vec<Later>,
}

/// What is there afterwards.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct After {
    /// The live rows of an entity (`shop.order`), oldest first: members of each.
    #[serde(default)]
    pub(crate) rows: IndexMap<String, Vec<Value>>,
    /// The jobs of the whole case that have not ended, oldest first: `{stripe.create_charge: {amount: 1}}`.
    pub(crate) jobs: Option<Vec<IndexMap<String, Value>>>,
    /// All notifications of the case, oldest first: members of each.
    pub(crate) notifications: Option<Vec<Value>>,
}

/// The end of a job, and what is there afterwards.
#[derive(Debug, Deserialize)]
pub(crate) struct Later {
    /// `stripe.create_charge`: its oldest job ends well.
    pub(crate) complete: Option<String>,
    #[serde(default)]
    pub(crate) output: Value,
    /// `stripe.create_charge`: its oldest job fails for good.
    pub(crate) fail: Option<String>,
    pub(crate) error: Option<String>,
    #[serde(flatten)]
    pub(crate) after: After,
}

impl Cases {
    pub(crate) fn of(app: &App) -> Result<Self> {
        let path = app.folder.join("cases.yaml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_yaml::from_str(&text).with_context(|| path.display().to_string())
    }
}
