//! The reference model: what each function of the queue should answer, and where each job should then stand.
//!
//! It follows the design, not the SQL: one job at a time, no sets, no clock. Of the jobs that are ready the database may
//! choose which it gives to a claim, within the rules; the model checks the choice and follows it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::{
    job::{Due, Job, Lease, Place},
    step::{Forgery, NewJob, ORDERS, Report, Rule, Step, WORKERS},
};

/// After so many tries a callback is given up in the tests' database.
pub(crate) const CALLBACK_TRIES: i32 = 2;

/// What a function of the queue said. Jobs are numbered in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The job that is there now, and whether it was there before.
    Queued(Vec<(usize, bool)>),
    /// Leases with the number of the attempt and the most attempts; whether the claim waits for the disk.
    Claimed(Vec<(Lease, i32, i32)>, bool),
    /// The leases still held, and whether their end is asked for.
    Held(Vec<(usize, bool)>),
    Results(Vec<(usize, String)>),
    Count(i32),
    Said(String),
    Nothing,
}

/// A step with its numbers resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// Whose memory a report is from.
    pub(crate) reporter: u8,
    /// In whose name it is.
    pub(crate) worker: u8,
    pub(crate) leases: Vec<Lease>,
    pub(crate) job: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) jobs: Vec<Job>,
    /// Which job holds a key, and under which rule.
    pub(crate) keys: BTreeMap<(&'static str, u8), (usize, Rule)>,
    /// What each worker believes to hold.
    pub(crate) memory: [Vec<Lease>; WORKERS as usize],
    pub(crate) broken: [bool; ORDERS as usize],
}

impl Model {
    /// What a step means now; `None` where there is nothing to which it could apply.
    pub(crate) fn resolve(&self, step: &Step) -> Option<Call> {
        match step {
            Step::Heartbeat(report) | Step::Complete(report) | Step::Fail(report, _) | Step::Release(report) => {
                // Who has nothing to report leaves it to the next.
                let mut in_turn = (0..WORKERS).map(|after| (report.worker + after) % WORKERS);
                let reporter = in_turn.find(|worker| !self.memory[usize::from(*worker)].is_empty())?;
                let worker = match report.forgery {
                    Forgery::WrongWorker => (reporter + 1) % WORKERS,
                    Forgery::None | Forgery::OldEpoch => reporter,
                };
                Some(Call { reporter, worker, leases: self.picked(reporter, report), job: 0 })
            }
            Step::Cancel { job } | Step::Retry { job } => {
                let job = usize::from(*job).checked_rem(self.jobs.len())?;
                Some(Call { job, ..Call::default() })
            }
            Step::Claim { worker, .. } | Step::Crash { worker } | Step::Stall { worker } => {
                Some(Call { worker: *worker, ..Call::default() })
            }
            _ => Some(Call::default()),
        }
    }

    /// The leases that a report is about: one a job, the latest.
    fn picked(&self, reporter: u8, report: &Report) -> Vec<Lease> {
        let memory = &self.memory[usize::from(reporter)];
        let mut picked: Vec<Lease> = memory
            .iter()
            .enumerate()
            .filter(|(place, _)| report.picks >> (place % 3) & 1 == 1)
            .map(|(_, l)| *l)
            .collect();
        if picked.is_empty() {
            picked.clone_from(memory);
        }
        let mut latest: BTreeMap<usize, i32> = BTreeMap::new();
        for lease in picked {
            let epoch = latest.entry(lease.job).or_default();
            *epoch = lease.epoch.max(*epoch);
        }
        let behind = i32::from(report.forgery == Forgery::OldEpoch);
        latest.into_iter().map(|(job, epoch)| Lease { job, epoch: epoch - behind }).collect()
    }

    /// Does the step, and compares what the database answered.
    pub(crate) fn follow(&mut self, step: &Step, call: &Call, answer: &Answer) -> Result<()> {
        let expected = match step {
            Step::Enqueue(job) => Answer::Queued(vec![self.enqueue(job.clone())]),
            Step::EnqueueMany { operation, count, keys, unique, priority, delayed } => {
                let plain = |key| NewJob {
                    operation: *operation,
                    key,
                    unique: *unique,
                    priority: *priority,
                    delayed: *delayed,
                    max_attempts: None,
                    order: None,
                    on_success: false,
                    on_failure: false,
                };
                let keys = keys.clone().unwrap_or_else(|| vec![None; usize::from(*count)]);
                Answer::Queued(keys.into_iter().map(|key| self.enqueue(plain(key))).collect())
            }
            Step::Claim { worker, operations, limit, full_scan } => {
                return self.claim(*worker, *operations, usize::from(*limit), *full_scan, answer);
            }
            Step::Heartbeat(report) => {
                let held = self.heartbeat(call);
                let Answer::Held(told) = &held else { unreachable!("a heartbeat answers with what is held") };
                if report.forgery == Forgery::None && !report.answer_lost {
                    // What is missing from the answer is lost.
                    self.memory[usize::from(call.reporter)]
                        .retain(|lease| !call.leases.contains(lease) || told.iter().any(|(job, _)| *job == lease.job));
                }
                held
            }
            Step::Complete(report) => {
                let answer = self.report(call, Self::complete);
                self.forget(report, call);
                Answer::Results(answer)
            }
            Step::Fail(report, failure) => {
                let answer = self.report(call, |model, job| model.fail(job, *failure));
                self.forget(report, call);
                Answer::Results(answer)
            }
            Step::Release(report) => {
                let answer = self.report(call, Self::release);
                self.forget(report, call);
                let released = answer.iter().filter(|(_, result)| result != "fenced").count();
                Answer::Count(i32::try_from(released)?)
            }
            Step::Cancel { .. } => Answer::Said(self.cancel(call.job).to_owned()),
            Step::Retry { .. } => Answer::Said(self.retry(call.job)),
            Step::Crash { worker } => {
                self.memory[usize::from(*worker)].clear();
                self.silence(*worker);
                Answer::Nothing
            }
            Step::Stall { worker } => {
                self.silence(*worker);
                Answer::Nothing
            }
            Step::Rescue => Answer::Count(self.rescue()),
            Step::PassTime => {
                for job in &mut self.jobs {
                    match &mut job.place {
                        Place::Scheduled { due, .. } => *due = true,
                        Place::Callback(callback) => callback.due = Due::Now,
                        _ => {}
                    }
                }
                Answer::Nothing
            }
            Step::Promote => Answer::Count(self.promote()),
            Step::RunCallbacks => {
                let due: Vec<usize> =
                    self.numbers(|job| matches!(&job.place, Place::Callback(callback) if callback.due == Due::Now));
                for job in &due {
                    self.settle(*job);
                }
                Answer::Count(i32::try_from(due.len())?)
            }
            Step::Break { order, broken } => {
                self.broken[usize::from(*order)] = *broken;
                Answer::Nothing
            }
        };
        ensure!(*answer == expected, "the answer is {answer:?}, and should be {expected:?}");
        Ok(())
    }

    /// How jobs ended that did not succeed.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &'static str> {
        self.jobs.iter().filter_map(|job| match &job.place {
            Place::Finished(outcome, _) => outcome.class,
            _ => None,
        })
    }

    /// Whether every job has come to its end.
    pub(crate) fn all_finished(&self) -> bool {
        self.jobs.iter().all(|job| matches!(job.place, Place::Finished(..)))
    }
}
