//! Which operations this worker serves now: those for which its machine has what their calls need.
//!
//! The others' jobs are not claimed here: no attempt, no end. They wait for another worker, or until it is there; this one
//! looks again now and then, and tells the database what it serves.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{catalog::Catalog, jitter::jittered, shared::Shared};
use crate::runner::Settings;

/// Between two looks, where nothing else is said.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two looks, at least.
const SHORTEST: Duration = Duration::from_millis(10);
/// Between two announcements of a worker of which nothing has changed: the database must not forget whose registry stands.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(45);

/// What is served as of the last look.
#[derive(Debug)]
pub(crate) struct Standing {
    codes: Vec<i32>,
    /// Operation → what it lacks.
    lacking: BTreeMap<i32, String>,
}

impl Standing {
    /// Looks at everything that the operations' runners need.
    pub(crate) fn look(catalog: &Catalog, settings: &Settings) -> Self {
        let mut standing = Self { codes: Vec::new(), lacking: BTreeMap::new() };
        for code in catalog.codes() {
            let Some(served) = catalog.get(*code) else { continue };
            let mut lacks = served.runner.lacks(&served.service, &served.configuration, &served.operation, settings);
            lacks.dedup();
            if lacks.is_empty() {
                standing.codes.push(*code);
            } else {
                standing.lacking.insert(*code, settings.redactor().text(&lacks.join("; ")));
            }
        }
        standing
    }

    /// What may be claimed.
    pub(crate) fn codes(&self) -> &[i32] {
        &self.codes
    }

    pub(crate) fn serves(&self, code: i32) -> bool {
        !self.lacking.contains_key(&code)
    }

    /// What people, and the database, are told of it.
    fn described(&self, catalog: &Catalog) -> (Value, Value) {
        let name = |code: &i32| Some(catalog.get(*code)?.name());
        let operations: Vec<String> = self.codes.iter().filter_map(name).collect();
        let lacking = self.lacking.iter().filter_map(|(code, lacks)| Some((name(code)?, Value::from(lacks.as_str()))));
        (json!(operations), Value::Object(lacking.collect()))
    }

    /// Service → what of it is not served, and why.
    fn by_service(&self, catalog: &Catalog) -> BTreeMap<String, String> {
        let mut services: BTreeMap<&str, (Vec<String>, Vec<&str>)> = BTreeMap::new();
        for (code, lacks) in &self.lacking {
            let Some(served) = catalog.get(*code) else { continue };
            let (operations, all) = services.entry(&served.service.name).or_default();
            operations.push(format!("`{}`", served.name()));
            if !all.contains(&lacks.as_str()) {
                all.push(lacks);
            }
        }
        let line = |(service, (operations, lacks)): (&str, (Vec<String>, Vec<&str>))| {
            let of_service = |code: &&i32| catalog.get(**code).is_some_and(|served| served.service.name == service);
            let what = if self.codes.iter().any(|code| of_service(&code)) {
                operations.join(", ")
            } else {
                format!("service `{service}`")
            };
            (service.to_owned(), format!("{what}: {}", lacks.join("; ")))
        };
        services.into_iter().map(line).collect()
    }

    /// Says what is not served and was before, and the other way round.
    pub(crate) fn report(&self, before: Option<&Self>, catalog: &Catalog) {
        let earlier = before.map(|before| before.by_service(catalog)).unwrap_or_default();
        let now = self.by_service(catalog);
        for (service, line) in &now {
            if earlier.get(service) != Some(line) {
                tracing::warn!(service, "not served here, and its jobs wait until this is mended: {line}");
            }
        }
        for service in earlier.keys().filter(|service| !now.contains_key(*service)) {
            tracing::info!(service, "what it lacked is there: its jobs are carried out from now on");
        }
    }
}

/// What a worker says of itself.
#[derive(Debug)]
pub(crate) struct Announcement {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) environment: Option<String>,
    pub(crate) concurrency: usize,
    pub(crate) registry: Option<i32>,
}

impl Announcement {
    pub(crate) fn capabilities(&self, catalog: &Catalog, standing: &Standing) -> Value {
        let (operations, not_ready) = standing.described(catalog);
        json!({
            "operations": operations,
            "not_ready": not_ready,
            "environment": self.environment,
            "concurrency": self.concurrency,
        })
    }
}

/// What is served now, for all parts of a worker.
#[derive(Debug)]
pub(crate) struct Readiness {
    standing: RwLock<Arc<Standing>>,
    pub(crate) announcement: Announcement,
    look_every: Duration,
}

impl Readiness {
    pub(crate) fn new(standing: Standing, announcement: Announcement, look_every: Duration) -> Self {
        Self { standing: RwLock::new(Arc::new(standing)), announcement, look_every: look_every.max(SHORTEST) }
    }

    pub(crate) fn now(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks again. True where something has changed.
    fn look(&self, shared: &Shared) -> bool {
        let before = self.now();
        let standing = Standing::look(&shared.catalog, &shared.settings);
        if standing.lacking == before.lacking {
            return false;
        }
        standing.report(Some(&before), &shared.catalog);
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
        true
    }
}

/// Looks again now and then, until the worker stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let readiness = &shared.readiness;
    let mut announce_at = Instant::now() + jittered(ANNOUNCE_EVERY);
    loop {
        tokio::select! {
            () = tokio::time::sleep(readiness.look_every) => {}
            () = shared.stopping.cancelled() => return,
        }
        let changed = readiness.look(&shared);
        if changed {
            shared.wake.notify_one();
        }
        if !changed && Instant::now() < announce_at {
            continue;
        }
        announce_at = Instant::now() + jittered(ANNOUNCE_EVERY);
        let of = &readiness.announcement;
        let capabilities = of.capabilities(&shared.catalog, &readiness.now());
        let mut control = shared.control.lock().await;
        if let Err(error) =
            control.announce_worker(shared.worker, of.name, of.version, &capabilities, of.registry).await
        {
            tracing::debug!("what this worker serves could not be announced: {}", error.describe());
            announce_at = Instant::now();
        }
    }
}
