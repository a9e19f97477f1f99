//! What the model's jobs go through, one at a time.

use anyhow::{Result, bail, ensure};
use specql_registry::{FailureClass, failure::RetryRule};

use crate::{
    job::{Callback, Due, Job, Kind, Lease, Outcome, Place, Tally},
    model::{Answer, CALLBACK_TRIES, Call, Model},
    step::{Failure, Forgery, NewJob, Operation, Report, Rule, Wait},
};

impl Model {
    pub(crate) fn numbers(&self, which: impl Fn(&Job) -> bool) -> Vec<usize> {
        (0..self.jobs.len()).filter(|number| which(&self.jobs[*number])).collect()
    }

    pub(crate) fn enqueue(&mut self, made_as: NewJob) -> (usize, bool) {
        let number = self.jobs.len();
        let rule = match made_as.key {
            Some(_) => made_as.unique.unwrap_or(made_as.operation.rule()),
            None => Rule::Never,
        };
        if let (Some(key), true) = (made_as.key, rule != Rule::Never) {
            let (holder, _) = *self.keys.entry((made_as.operation.name(), key)).or_insert((number, rule));
            if holder != number {
                return (holder, true);
            }
        }
        let max_attempts = made_as.max_attempts.unwrap_or(made_as.operation.max_attempts());
        self.jobs.push(Job::new(made_as, rule, max_attempts));
        (number, false)
    }

    /// Any of the ready jobs, but of two of one operation the one that goes first; and all that there is room for, where
    /// everything was looked at.
    pub(crate) fn claim(
        &mut self,
        worker: u8,
        operations: u8,
        limit: usize,
        full_scan: bool,
        answer: &Answer,
    ) -> Result<()> {
        let Answer::Claimed(claimed, flushed) = answer else { bail!("a claim answered {answer:?}") };
        let asked: Vec<Operation> =
            (0..3).filter(|place| operations >> place & 1 == 1).map(|place| Operation::ALL[place]).collect();
        let ready = self.numbers(|job| matches!(job.place, Place::Ready(_)) && asked.contains(&job.made_as.operation));
        ensure!(claimed.len() <= limit, "{} jobs were claimed, and {limit} asked for", claimed.len());
        ensure!(
            !full_scan || claimed.len() == limit.min(ready.len()),
            "{} jobs were claimed, and of {} ready ones {limit} asked for",
            claimed.len(),
            ready.len()
        );
        let taken: Vec<usize> = claimed.iter().map(|(lease, ..)| lease.job).collect();
        if let Some(job) = taken.iter().find(|job| !ready.contains(job)) {
            bail!("job {job} was claimed, and is not ready");
        }
        let turn = |number: usize| (-self.jobs[number].made_as.priority, number);
        let same = |a: usize, b: usize| self.jobs[a].made_as.operation == self.jobs[b].made_as.operation;
        for taken_one in taken.iter().filter(|_| full_scan) {
            let passed = ready
                .iter()
                .find(|left| !taken.contains(left) && same(**left, *taken_one) && turn(**left) < turn(*taken_one));
            if let Some(passed) = passed {
                bail!("job {taken_one} was claimed before job {passed}");
            }
        }
        // A claim that a crash may lose is one in which every job may start twice.
        let must_flush = taken.iter().any(|job| !self.jobs[*job].made_as.operation.idempotent());
        ensure!(
            taken.is_empty() || *flushed == must_flush,
            "the claim waits for the disk: {flushed}, not {must_flush}"
        );

        for (lease, attempt, max_attempts) in claimed {
            let job = &mut self.jobs[lease.job];
            let Place::Ready(mut tally) = job.place else { bail!("job {} was claimed twice", lease.job) };
            job.epoch += 1;
            tally.attempts += 1;
            ensure!(
                (lease.epoch, *attempt, *max_attempts) == (job.epoch, tally.attempts, job.max_attempts),
                "job {} came with epoch {}, attempt {attempt} of {max_attempts}, and not {}, {} of {}",
                lease.job,
                lease.epoch,
                job.epoch,
                tally.attempts,
                job.max_attempts
            );
            job.place = Place::Leased { worker, alive: true, cancel: false, tally };
            job.record("claimed", tally.attempts, Some(worker), None);
            self.memory[usize::from(worker)].push(*lease);
        }
        Ok(())
    }

    fn holds(&self, worker: u8, lease: Lease) -> bool {
        let job = &self.jobs[lease.job];
        job.epoch == lease.epoch && matches!(job.place, Place::Leased { worker: by, .. } if by == worker)
    }

    pub(crate) fn heartbeat(&mut self, call: &Call) -> Answer {
        let mut held = Vec::new();
        for lease in &call.leases {
            if !self.holds(call.worker, *lease) {
                continue;
            }
            if let Place::Leased { alive, cancel, .. } = &mut self.jobs[lease.job].place {
                *alive = true;
                held.push((lease.job, *cancel));
            }
        }
        Answer::Held(held)
    }

    /// A report takes effect for the leases that are held, and for no other.
    pub(crate) fn report(
        &mut self,
        call: &Call,
        mut effect: impl FnMut(&mut Self, usize) -> &'static str,
    ) -> Vec<(usize, String)> {
        let held: Vec<bool> = call.leases.iter().map(|lease| self.holds(call.worker, *lease)).collect();
        let results = call.leases.iter().zip(held).map(|(lease, held)| {
            let result = if held { effect(self, lease.job) } else { "fenced" };
            (lease.job, result.to_owned())
        });
        results.collect()
    }

    /// A worker that learned the answer has done with these leases.
    pub(crate) fn forget(&mut self, report: &Report, call: &Call) {
        if report.forgery == Forgery::None && !report.answer_lost {
            self.memory[usize::from(call.reporter)].retain(|lease| !call.leases.contains(lease));
        }
    }

    fn leased(&self, job: usize) -> (u8, bool, Tally) {
        match self.jobs[job].place {
            Place::Leased { worker, cancel, tally, .. } => (worker, cancel, tally),
            _ => unreachable!("only leased jobs are reported on"),
        }
    }

    pub(crate) fn complete(&mut self, number: usize) -> &'static str {
        let (worker, _, tally) = self.leased(number);
        let job = &mut self.jobs[number];
        job.record("finished", tally.attempts, Some(worker), None);
        if job.made_as.on_success {
            job.place = Place::Callback(Callback { kind: Kind::Success, tries: 0, due: Due::Now, tally, class: None });
            return if self.settle(number) { "completed" } else { "callback_waiting" };
        }
        let output = Some(job.epoch);
        job.place = Place::Finished(
            Outcome { status: "completed", class: None, attempts: tally.attempts, output, effect_possible: false },
            None,
        );
        self.give_key_back_after_success(number);
        "completed"
    }

    pub(crate) fn fail(&mut self, number: usize, failure: Failure) -> &'static str {
        let (_, cancel, mut tally) = self.leased(number);
        let Failure { class, wait, counted, no_effect } = failure;
        let idempotent = self.jobs[number].made_as.operation.idempotent();
        let last = counted && tally.attempts >= self.jobs[number].max_attempts;
        if counted {
            tally.put_off = 0;
        } else {
            tally.attempts -= 1;
            tally.put_off += 1;
        }
        // Of an unknown outcome nobody knows better, whatever he says.
        let unknown = class.retry_rule() == RetryRule::IfIdempotent;
        tally.effect_possible |= unknown || !no_effect.unwrap_or(!counted || proves_no_effect(class));
        let end = match (class, wait) {
            (FailureClass::Cancelled, _) => End::Cancelled,
            (_, Wait::Final) => End::Failed,
            (class, _) if class.retry_rule() == RetryRule::IfIdempotent && !idempotent => End::Failed,
            _ if cancel => End::Cancelled,
            _ if last => End::Failed,
            (_, wait) => End::Retried { due: wait == Wait::Now },
        };
        let event = if class == FailureClass::PolicyDenied { "refused" } else { "finished" };
        self.end(number, end, class.name(), tally, event)
    }

    pub(crate) fn release(&mut self, number: usize) -> &'static str {
        let (worker, cancel, mut tally) = self.leased(number);
        tally.attempts -= 1;
        if cancel {
            return self.end(number, End::Cancelled, "cancelled", tally, "finished");
        }
        let job = &mut self.jobs[number];
        job.record("released", tally.attempts, Some(worker), None);
        job.place = Place::Ready(tally);
        "released"
    }

    pub(crate) fn silence(&mut self, silent: u8) {
        for job in &mut self.jobs {
            if let Place::Leased { worker, alive, .. } = &mut job.place
                && *worker == silent
            {
                *alive = false;
            }
        }
    }

    pub(crate) fn rescue(&mut self) -> i32 {
        let lost = self.numbers(|job| matches!(job.place, Place::Leased { alive: false, .. }));
        for number in &lost {
            let (_, cancel, mut tally) = self.leased(*number);
            tally.crashes += 1;
            tally.put_off = 0;
            tally.effect_possible = true;
            let job = &self.jobs[*number];
            let poison = tally.crashes >= 3;
            let again = !poison && job.made_as.operation.idempotent() && tally.attempts < job.max_attempts;
            let (class, end) = match (cancel, poison, again) {
                (true, ..) => ("cancelled", End::Cancelled),
                (false, true, _) => ("poison", End::Failed),
                (false, false, true) => ("ambiguous", End::Retried { due: true }),
                (false, false, false) => ("ambiguous", End::Failed),
            };
            self.end(*number, end, class, tally, "lost");
        }
        if !lost.is_empty() {
            self.promote();
        }
        i32::try_from(lost.len()).expect("a handful of jobs")
    }

    pub(crate) fn promote(&mut self) -> i32 {
        let mut promoted = 0;
        for job in &mut self.jobs {
            if let Place::Scheduled { due: true, tally } = job.place {
                job.place = Place::Ready(tally);
                promoted += 1;
            }
        }
        promoted
    }

    /// An attempt ends without success.
    fn end(&mut self, number: usize, end: End, class: &'static str, tally: Tally, event: &str) -> &'static str {
        let (worker, ..) = self.leased(number);
        let job = &mut self.jobs[number];
        job.record(event, tally.attempts, Some(worker), Some(class));
        let status = match end {
            End::Retried { due } => {
                job.place = Place::Scheduled { due, tally };
                return "retrying";
            }
            End::Failed if job.made_as.on_failure => {
                let class = Some(class);
                job.place = Place::Callback(Callback { kind: Kind::Failure, tries: 0, due: Due::Now, tally, class });
                return if self.settle(number) { "failed" } else { "callback_waiting" };
            }
            End::Failed => "failed",
            End::Cancelled => "cancelled",
        };
        let outcome = Outcome {
            status,
            class: Some(class),
            attempts: tally.attempts,
            output: None,
            effect_possible: tally.effect_possible,
        };
        job.place = Place::Finished(outcome, None);
        self.give_key_back_after_failure(number, tally);
        status
    }

    /// Runs the callback of a job, and ends the job if it succeeds.
    pub(crate) fn settle(&mut self, number: usize) -> bool {
        let job = &mut self.jobs[number];
        let Place::Callback(mut callback) = job.place.clone() else { unreachable!("only waiting callbacks are run") };
        let output = (callback.kind == Kind::Success).then_some(job.epoch);
        let order = job.made_as.order.expect("only a job with an order has callbacks");
        let attempts = callback.tally.attempts;
        if self.broken[usize::from(order)] {
            callback.tries += 1;
            job.record("callback_raised", attempts, None, None);
            if callback.tries < CALLBACK_TRIES {
                callback.due = Due::Later;
                job.place = Place::Callback(callback);
            } else {
                callback.due = Due::Never;
                let outcome = Outcome {
                    status: "failed",
                    class: Some("callback_failed"),
                    attempts,
                    output,
                    effect_possible: false,
                };
                job.place = Place::Finished(outcome, Some(callback));
            }
            return false;
        }
        let (status, tally) = match callback.kind {
            Kind::Success => ("completed", callback.tally),
            Kind::Failure => ("failed", callback.tally),
        };
        job.place = Place::Finished(
            Outcome { status, class: callback.class, attempts, output, effect_possible: tally.effect_possible },
            None,
        );
        match callback.kind {
            Kind::Success => {
                job.successes += 1;
                self.give_key_back_after_success(number);
            }
            Kind::Failure => {
                job.failures += 1;
                self.give_key_back_after_failure(number, tally);
            }
        }
        true
    }

    fn give_key_back_after_success(&mut self, number: usize) {
        self.keys.retain(|_, (holder, rule)| *holder != number || *rule == Rule::Once);
    }

    /// Only where nothing can have happened.
    fn give_key_back_after_failure(&mut self, number: usize, tally: Tally) {
        if !tally.effect_possible {
            self.keys.retain(|_, (holder, _)| *holder != number);
        }
    }

    pub(crate) fn cancel(&mut self, number: usize) -> &'static str {
        let job = &mut self.jobs[number];
        let tally = match &mut job.place {
            Place::Ready(tally) | Place::Scheduled { tally, .. } => *tally,
            Place::Leased { cancel, .. } => {
                *cancel = true;
                return "cancelling";
            }
            Place::Callback(_) | Place::Finished(..) => return "finished",
        };
        job.record("cancelled", tally.attempts, None, Some("cancelled"));
        let outcome = Outcome {
            status: "cancelled",
            class: Some("cancelled"),
            attempts: tally.attempts,
            output: None,
            effect_possible: tally.effect_possible,
        };
        job.place = Place::Finished(outcome, None);
        self.give_key_back_after_failure(number, tally);
        "cancelled"
    }

    pub(crate) fn retry(&mut self, number: usize) -> String {
        let job = &self.jobs[number];
        let Place::Finished(ended, callback) = job.place.clone() else { return "SQ409".to_owned() };
        if ended.status == "completed" {
            return "SQ409".to_owned();
        }
        let key = (job.made_as.operation.name(), job.made_as.key.unwrap_or_default());
        let holder = self.keys.get(&key).map(|(holder, _)| *holder).filter(|_| job.rule != Rule::Never);
        if callback.is_none()
            && let Some(other) = holder.filter(|holder| *holder != number)
        {
            return format!("SQ409 for job {other}");
        }
        let rule = job.rule;
        let job = &mut self.jobs[number];
        job.record("retried", ended.attempts, None, None);
        if let Some(callback) = callback {
            job.place = Place::Callback(Callback { tries: 0, due: Due::Now, ..callback });
        } else {
            // A key that was kept says that the call may have happened, too.
            let effect_possible = ended.effect_possible || holder.is_some();
            job.place = Place::Ready(Tally { effect_possible, ..Tally::default() });
            if rule != Rule::Never {
                self.keys.entry(key).or_insert((number, rule));
            }
        }
        "queued".to_owned()
    }
}

/// How an attempt without success ends.
#[derive(Clone, Copy)]
enum End {
    Retried { due: bool },
    Failed,
    Cancelled,
}

/// The classes after which nothing can have happened on the far side, where the worker does not say so itself.
fn proves_no_effect(class: FailureClass) -> bool {
    class.proves_no_effect() || class == FailureClass::PermanentReported
}
