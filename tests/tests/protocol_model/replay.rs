//! Histories of the model, done again on PostgreSQL: each step by the calls that it stands for. After each, the tables must
//! be as the model says, and the queue must have answered so.
//!
//! Histories are random walks to the end, which prefer steps that were not taken yet in such a state.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Context, Result, ensure};
use specql_tests::{change::Change, random::Random};
use stateright::Model as _;

use crate::{
    protocol::{Action, Protocol, holds},
    state::{JOBS, KINDS, Owner, Place, State, WORKERS},
    tables::{Report, Tables, standing},
};

/// How often what was answered, or done.
pub(crate) type Figures = BTreeMap<String, u32>;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Model and SQL did the same.
    Alike(Figures),
    /// They did not: the history, and what is wrong after it.
    Apart(String),
}

/// Walks through the model.
#[derive(Debug)]
struct Walker {
    protocol: Protocol,
    random: Random,
    /// How often a step was taken where the jobs stood so.
    steps: HashMap<String, u32>,
    walked: HashSet<Vec<Action>>,
}

impl Walker {
    /// A history to its end that was not walked before.
    fn next(&mut self) -> Vec<(Action, State)> {
        loop {
            let history = self.walk();
            if self.walked.insert(history.iter().map(|(action, _)| *action).collect()) {
                return history;
            }
        }
    }

    fn walk(&mut self) -> Vec<(Action, State)> {
        let mut state = State::new(self.protocol.faults);
        let mut history = Vec::new();
        loop {
            let mut next = self.protocol.next_steps(&state);
            if next.is_empty() {
                return history;
            }
            // Not all the faults at once: what they lead to comes later.
            let well = |after: &State| after.faults == state.faults;
            if self.random.chance(60) && next.iter().any(|(_, after)| well(after)) {
                next.retain(|(_, after)| well(after));
            }
            // Each sort of step as often as another, however many there are of it.
            let sorts: BTreeSet<String> = next.iter().map(|(action, _)| sort_of(action)).collect();
            let sort = self.random.pick(&sorts.into_iter().collect::<Vec<_>>()).clone();
            next.retain(|(action, _)| sort_of(action) == sort);

            let known = |action: &Action| format!("{action:?} {:?}", state.jobs.map(|job| (job.place, job.epoch)));
            let often = |action: &Action| self.steps.get(&known(action)).copied().unwrap_or(0);
            let rarest = next.iter().map(|(action, _)| often(action)).min().unwrap_or(0);
            next.retain(|(action, _)| often(action) == rarest);
            let (action, after) = *self.random.pick(&next);
            *self.steps.entry(known(&action)).or_default() += 1;
            history.push((action, after));
            state = after;
        }
    }
}

/// Its name, and how it went.
fn sort_of(action: &Action) -> String {
    match action {
        Action::Complete { callback_raises, heard, .. } => format!("Complete {callback_raises} {heard}"),
        _ => format!("{action:?}").split(' ').next().unwrap_or_default().to_owned(),
    }
}

/// Replays so many histories of a protocol on a queue of its own, in whose functions the change was made.
pub(crate) fn replay(protocol: &Protocol, seed: u64, histories: u32, change: Option<&Change<'_>>) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tables = Tables::new(change).await?;
        let mut random = Random::new(seed);
        let mut walker = Walker {
            protocol: protocol.clone(),
            random: Random::new(seed.wrapping_add(1)),
            steps: HashMap::new(),
            walked: HashSet::new(),
        };
        let mut figures = Figures::new();
        for number in 0..histories {
            tables.begin().await?;
            let mut before = State::new(protocol.faults);
            let mut told = format!("history {number} of seed {seed}:\n");
            for (action, after) in walker.next() {
                told.push_str(&format!("  {action:?}\n"));
                let mut step = Step { tables: &mut tables, protocol, before, after, figures: &mut figures };
                if let Err(difference) = step.replay(action, &mut random).await {
                    return Ok(Ended::Apart(format!("{told}{difference:#}")));
                }
                before = after;
            }
        }
        Ok(Ended::Alike(figures))
    })
}

/// A step of a history.
struct Step<'a> {
    tables: &'a mut Tables,
    protocol: &'a Protocol,
    before: State,
    after: State,
    figures: &'a mut Figures,
}

impl Step<'_> {
    fn note(&mut self, what: &str) {
        *self.figures.entry(what.to_owned()).or_default() += 1;
    }

    /// Does the step, and compares.
    async fn replay(&mut self, action: Action, random: &mut Random) -> Result<()> {
        // The far side's, and the fetcher's own: no table knows of them.
        if matches!(action, Action::Call { .. } | Action::GrowIdle { .. }) {
            return Ok(());
        }
        let (notifies, gate_held) = match action {
            Action::Enqueue { notifies, .. } | Action::FailAmbiguous { notifies, .. } | Action::Rescue { notifies } => {
                (notifies && self.anything_became_ready(), !notifies)
            }
            _ => (false, false),
        };
        if gate_held {
            self.tables.hold_gate(true).await?;
        }
        let done = self.act(action).await;
        if gate_held {
            self.tables.hold_gate(false).await?;
        }
        done?;
        self.compare().await?;
        // That a notification is skipped is allowed, not asked for.
        let woken = self.tables.was_woken(notifies).await?;
        ensure!(woken || !notifies, "nobody was woken");
        if notifies || gate_held {
            self.note(if woken { "told" } else { "told nobody" });
        }
        self.try_what_is_fenced(random).await
    }

    fn anything_became_ready(&self) -> bool {
        let ready = |state: &State, job: usize| state.jobs[job].place == Place::Ready;
        (0..JOBS).any(|job| ready(&self.after, job) && !ready(&self.before, job))
    }

    async fn compare(&mut self) -> Result<()> {
        let (is, should) = (self.tables.standing().await?, standing(&self.after));
        ensure!(is == should, "the jobs are\n  {}\nand should be\n  {}", is.join("\n  "), should.join("\n  "));
        Ok(())
    }

    async fn act(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Enqueue { job, .. } => self.tables.enqueue(job).await,
            Action::Claim { worker, most, heard } => self.claim(worker, most, heard).await,
            Action::Complete { worker, job, run, callback_raises, .. } => {
                if callback_raises {
                    self.tables.set_broken(job, true).await?;
                }
                self.report(worker, job, run, Report::Success).await?;
                if callback_raises {
                    self.tables.set_broken(job, false).await?;
                }
                Ok(())
            }
            Action::FailAmbiguous { worker, job, run, .. } => {
                self.report(worker, job, run, Report::Ambiguous).await?;
                self.tables.promote().await
            }
            Action::Abort { worker, job, run } => self.report(worker, job, run, Report::Aborted).await,
            Action::RunCallback { job } => {
                let ran = self.tables.run_callback(job).await?;
                self.note("callback repeated");
                ensure!(ran == 1, "{ran} callbacks were due, not 1");
                Ok(())
            }
            Action::Heartbeat { worker } => self.heartbeat(worker).await,
            Action::TenSecondsWithoutHeartbeat { job } => self.tables.age(job).await,
            Action::Rescue { .. } => {
                let stale = |job: &usize| matches!(self.before.jobs[*job].place, Place::Leased { stale: true, .. });
                let lost = i32::try_from((0..JOBS).filter(stale).count())?;
                let rescued = self.tables.rescue().await?;
                self.note("rescued");
                ensure!(rescued == lost, "{rescued} jobs were rescued, not {lost}");
                Ok(())
            }
            Action::Cancel { job } => {
                let expected = if self.before.jobs[job].place == Place::Ready { "cancelled" } else { "cancelling" };
                let said = self.tables.cancel(job).await?;
                self.note(&said);
                ensure!(said == expected, "the answer is `{said}`, and should be `{expected}`");
                Ok(())
            }
            Action::CrashWorker { worker } => self.tables.start_worker(worker).await,
            Action::CrashPostgres { kept } => {
                let jobs = self.before.jobs;
                for job in (0..JOBS).filter(|job| jobs[*job].unflushed > kept) {
                    self.tables.undo_claim(job).await?;
                    self.note("claim undone by a crash");
                }
                Ok(())
            }
            Action::Call { .. } | Action::GrowIdle { .. } => Ok(()),
        }
    }

    async fn claim(&mut self, worker: usize, most: usize, heard: bool) -> Result<()> {
        let expected: Vec<(usize, i32)> = (0..JOBS)
            .filter(|job| {
                self.before.jobs[*job].place == Place::Ready
                    && matches!(self.after.jobs[*job].place, Place::Leased { .. })
            })
            .map(|job| (job, i32::from(self.after.jobs[job].epoch)))
            .collect();
        let (claimed, flushed) = self.tables.claim(worker, most).await?;
        ensure!(claimed == expected, "(job, epoch) were claimed: {claimed:?}, and should be {expected:?}");
        let on_disk = expected.iter().all(|(job, _)| self.after.jobs[*job].unflushed == 0);
        ensure!(flushed == on_disk, "the claim waits for the disk: {flushed}, not {on_disk}");
        self.note(if flushed { "claim on disk" } else { "claim not on disk" });
        self.note(if heard { "claimed" } else { "claim not heard of" });
        Ok(())
    }

    /// What the model makes of a report: nothing, where it does not accept it.
    async fn report(&mut self, worker: usize, job: usize, run: usize, report: Report) -> Result<()> {
        let known = self.before.workers[worker].runs[job][run].context("a run that the worker knows of")?;
        let expected = match (self.protocol.accepts(&self.before, worker, job, known), self.after.jobs[job].place) {
            (false, _) => "fenced",
            (true, Place::Completed) => "completed",
            (true, Place::Callback) => "callback_waiting",
            (true, Place::Ready) => "retrying",
            (true, Place::Failed) => "failed",
            (true, Place::Cancelled) => "cancelled",
            (true, Place::Unborn | Place::Leased { .. }) => "an end",
        };
        let said = self.tables.report(worker, job, known.epoch, report).await?;
        self.note(&said);
        ensure!(said == expected, "the answer is `{said}`, and should be `{expected}`");
        Ok(())
    }

    async fn heartbeat(&mut self, worker: usize) -> Result<()> {
        let runs = self.before.workers[worker].runs;
        let leases: Vec<(usize, u8)> =
            (0..JOBS).flat_map(|job| runs[job].iter().flatten().map(move |run| (job, run.epoch))).collect();
        let held: Vec<(usize, bool)> = (0..JOBS)
            .filter(|job| runs[*job].iter().flatten().any(|run| holds(&self.before, worker, *job, *run)))
            .map(|job| (job, self.before.jobs[job].cancel_requested))
            .collect();
        let said = self.tables.heartbeat(worker, &leases).await?;
        self.note("heartbeat");
        ensure!(said == held, "(job, cancel) are held: {said:?}, and should be {held:?}");
        Ok(())
    }

    /// A worker may report anything at any time. Of one lease that the model knows to be lost, it is not listened to.
    async fn try_what_is_fenced(&mut self, random: &mut Random) -> Result<()> {
        let mut lost = Vec::new();
        for worker in 0..WORKERS {
            for job in 0..JOBS {
                for run in self.after.workers[worker].runs[job].iter().flatten() {
                    if !self.protocol.accepts(&self.after, worker, job, *run) {
                        lost.push((worker, job, run.epoch));
                    }
                }
            }
        }
        // Nobody's next epoch, and a lease in another's name.
        for job in (0..JOBS).filter(|job| KINDS[*job].callback) {
            if let Place::Leased { owner: Owner::Worker(owner), .. } = self.after.jobs[job].place {
                let (owner, epoch) = (usize::from(owner), self.after.jobs[job].epoch);
                lost.extend([(owner, job, epoch + 1), ((owner + 1) % WORKERS, job, epoch)]);
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        let (worker, job, epoch) = *random.pick(&lost);
        let report = *random.pick(&[Report::Success, Report::Ambiguous, Report::Aborted]);
        let said = self.tables.report(worker, job, epoch, report).await?;
        ensure!(
            said == "fenced",
            "worker {worker} reports {report:?} of job {job} with epoch {epoch}, which is not its lease, and is told `{said}`"
        );
        let released = self.tables.release(worker, job, epoch).await?;
        ensure!(
            released == 0,
            "worker {worker} gives job {job} back with epoch {epoch}, which is not its lease, and is told {released}"
        );
        self.note("fenced");
        self.compare().await.context("after reports about a lease that is lost")
    }
}
