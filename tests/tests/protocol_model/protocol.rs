//! The steps of the protocol. Beside each stands the SQL that it is a model of.

use stateright::Model;

use crate::{
    properties,
    state::{Attention, JOBS, KINDS, MAX_ATTEMPTS, Owner, Place, Run, State, WORKERS},
};

/// The protocol, with a bound on what may go wrong: each fault can come at any point of any history.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) faults: u8,
    pub(crate) rules: Rules,
}

/// What the protocol relies on. Tests take one away and see which promise breaks.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a rule of its own
pub(crate) struct Rules {
    /// `l.epoch = g.epoch`
    pub(crate) compares_epoch: bool,
    /// `l.worker_code = _worker_code`
    pub(crate) compares_worker: bool,
    /// A claim waits for the disk unless every job in it is idempotent.
    pub(crate) flushes_claims: bool,
    /// A callback is undone when it raises.
    pub(crate) rolls_back_callbacks: bool,
    /// A worker that had work polls every few milliseconds for a while.
    pub(crate) linger_poll: bool,
    /// Any worker polls once a second.
    pub(crate) idle_poll: bool,
}

/// As it is.
pub(crate) const AS_DESIGNED: Rules = Rules {
    compares_epoch: true,
    compares_worker: true,
    flushes_claims: true,
    rolls_back_callbacks: true,
    linger_poll: true,
    idle_poll: true,
};

/// What can happen next. `run` is the place in the worker's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Enqueue { job: usize, notifies: bool },
    Claim { worker: usize, most: usize, heard: bool },
    GrowIdle { worker: usize },
    Call { worker: usize, job: usize, run: usize },
    Complete { worker: usize, job: usize, run: usize, callback_raises: bool, heard: bool },
    FailAmbiguous { worker: usize, job: usize, run: usize, notifies: bool },
    Abort { worker: usize, job: usize, run: usize },
    RunCallback { job: usize },
    Heartbeat { worker: usize },
    TenSecondsWithoutHeartbeat { job: usize },
    Rescue { notifies: bool },
    Cancel { job: usize },
    CrashWorker { worker: usize },
    CrashPostgres { kept: u8 },
}

impl Protocol {
    /// `jobs.complete`, `jobs.fail`: `JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND
    /// l.worker_code = _worker_code`
    pub(crate) fn accepts(&self, state: &State, worker: usize, job: usize, run: Run) -> bool {
        let Place::Leased { owner, .. } = state.jobs[job].place else { return false };
        let named = u8::try_from(worker).is_ok_and(|worker| owner == Owner::Worker(worker));
        (named || !self.rules.compares_worker) && (run.epoch == state.jobs[job].epoch || !self.rules.compares_epoch)
    }

    /// Whether the worker asks for jobs: a worker that is awake does at once, the others when their poll comes.
    fn looks(&self, attention: Attention) -> bool {
        match attention {
            Attention::Woken => true,
            Attention::Lingering => self.rules.linger_poll,
            Attention::Idle => self.rules.idle_poll,
        }
    }

    fn worker_actions(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        let fault = state.faults > 0;
        let attention = state.workers[worker].attention;
        if state.any_ready() && self.looks(attention) {
            for most in [1, JOBS] {
                actions.push(Action::Claim { worker, most, heard: true });
                if fault {
                    actions.push(Action::Claim { worker, most, heard: false });
                }
            }
        }
        // A poll that finds something begins the lingering anew; without polls it just runs out.
        let quiet = !state.any_ready() || (attention == Attention::Lingering && !self.rules.linger_poll);
        if attention != Attention::Idle && quiet {
            actions.push(Action::GrowIdle { worker });
        }
        for (job, kind) in KINDS.iter().enumerate() {
            for (run, known) in state.workers[worker].runs[job].iter().enumerate() {
                let Some(known) = *known else { continue };
                let accepted = self.accepts(state, worker, job, known);
                if accepted && state.jobs[job].cancel_requested {
                    actions.push(Action::Abort { worker, job, run });
                }
                if !known.called {
                    actions.push(Action::Call { worker, job, run });
                    continue;
                }
                actions.push(Action::Complete { worker, job, run, callback_raises: false, heard: true });
                if accepted && fault {
                    actions.push(Action::Complete { worker, job, run, callback_raises: false, heard: false });
                    if kind.callback {
                        actions.push(Action::Complete { worker, job, run, callback_raises: true, heard: true });
                    }
                    actions.push(Action::FailAmbiguous { worker, job, run, notifies: true });
                    if state.faults > 1 && retried(state, job, 0) {
                        actions.push(Action::FailAmbiguous { worker, job, run, notifies: false });
                    }
                }
            }
        }
        let renews = |job: usize| {
            state.knows(worker, job)
                && matches!(state.jobs[job].place, Place::Leased { owner, stale: true } if owner == owner_of(worker))
        };
        let drops =
            |job: usize| state.workers[worker].runs[job].iter().flatten().any(|run| !holds(state, worker, job, *run));
        if (0..JOBS).any(|job| renews(job) || drops(job)) {
            actions.push(Action::Heartbeat { worker });
        }
        if fault {
            actions.push(Action::CrashWorker { worker });
        }
    }

    fn job_actions(state: &State, job: usize, actions: &mut Vec<Action>) {
        let fault = state.faults > 0;
        match state.jobs[job].place {
            // In their order, as their keys come from a sequence.
            Place::Unborn => {
                if job == 0 || state.jobs[job - 1].place != Place::Unborn {
                    actions.push(Action::Enqueue { job, notifies: true });
                    if fault {
                        actions.push(Action::Enqueue { job, notifies: false });
                    }
                }
            }
            Place::Ready if fault => actions.push(Action::Cancel { job }),
            Place::Leased { owner, stale } => {
                // A worker renews what it knows of; that it does not is a fault (it is paused, or cut off).
                let renewed = matches!(owner, Owner::Worker(worker) if state.knows(usize::from(worker), job));
                if !stale && (fault || !renewed) {
                    actions.push(Action::TenSecondsWithoutHeartbeat { job });
                }
                if fault && !state.jobs[job].cancel_requested {
                    actions.push(Action::Cancel { job });
                }
            }
            Place::Callback => actions.push(Action::RunCallback { job }),
            Place::Ready | Place::Completed | Place::Failed | Place::Cancelled => {}
        }
    }

    /// `jobs.claim`
    fn claim(&self, state: &mut State, worker: usize, most: usize, heard: bool) {
        // `ORDER BY r.rank, r.pk_job_run … LIMIT _limit`
        let batch: Vec<usize> = (0..JOBS).filter(|job| state.jobs[*job].place == Place::Ready).take(most).collect();
        // `set_config('synchronous_commit', CASE WHEN batch.all_idempotent THEN 'off' …)`
        let waits_for_disk = self.rules.flushes_claims && batch.iter().any(|job| !KINDS[*job].idempotent);
        let number = state.jobs.iter().map(|job| job.unflushed).max().unwrap_or(0) + 1;
        if waits_for_disk {
            state.flush();
        }
        let idle = state.workers[worker].attention == Attention::Idle;
        for job in batch {
            let claimed = &mut state.jobs[job];
            // `DELETE FROM jobs.tb_job_ready … RETURNING r.epoch + 1`, `INSERT INTO jobs.tb_job_lease`
            claimed.place = Place::Leased { owner: owner_of(worker), stale: false };
            claimed.epoch += 1;
            claimed.unflushed = if waits_for_disk { 0 } else { number };
            state.late |= idle && claimed.owed[worker];
            claimed.owed = [false; WORKERS];
            let epoch = claimed.epoch;
            let runs = &mut state.workers[worker].runs[job];
            if let Some(same) = runs.iter_mut().flatten().find(|run| run.epoch == epoch) {
                // A crash undid the claim, and the same worker made it again: to everybody they are one.
                same.current = true;
            } else if heard {
                *runs = [Some(Run { epoch, called: false, current: true }), runs[0]];
            }
        }
        state.workers[worker].attention = Attention::Lingering;
        if !heard {
            state.faults -= 1;
        }
    }

    /// `jobs.complete`: the outcome, the callback and the end of the lease are one transaction.
    fn complete(&self, state: &mut State, worker: usize, job: usize, run: usize, callback_raises: bool, heard: bool) {
        let Some(known) = state.workers[worker].runs[job][run] else { return };
        if self.accepts(state, worker, job, known) {
            state.fenced_success |= !known.current;
            state.flush();
            if callback_raises {
                // `settle_callbacks`: set aside into `jobs.tb_job_callback`.
                state.end_lease(job, Place::Callback);
                if !self.rules.rolls_back_callbacks {
                    state.jobs[job].effects += 1;
                }
            } else {
                state.end_lease(job, Place::Completed);
                state.jobs[job].effects += u8::from(KINDS[job].callback);
                state.jobs[job].completions += 1;
            }
        }
        if heard {
            forget(state, worker, job, run);
        }
        state.faults -= u8::from(!heard) + u8::from(callback_raises);
    }
}

fn owner_of(worker: usize) -> Owner {
    Owner::Worker(u8::try_from(worker).expect("two workers"))
}

/// `jobs.heartbeat` returns it.
pub(crate) fn holds(state: &State, worker: usize, job: usize, run: Run) -> bool {
    matches!(state.jobs[job].place, Place::Leased { owner, .. } if owner == owner_of(worker))
        && state.jobs[job].epoch == run.epoch
}

/// `rescue`: `coalesce(l.crashes, 0) + 1 < 3 AND o.idempotent AND l.attempt < max_attempts`; `fail` has no crashes to count.
fn retried(state: &State, job: usize, crashes: u8) -> bool {
    let attempt = &state.jobs[job];
    !attempt.cancel_requested && KINDS[job].idempotent && attempt.epoch < MAX_ATTEMPTS && crashes < 3
}

/// `jobs.end_leases`: where an attempt goes that ended without success.
fn end_attempt(state: &mut State, job: usize, crashes: u8) -> bool {
    let again = retried(state, job, crashes);
    let place = match (state.jobs[job].cancel_requested, again) {
        (true, _) => Place::Cancelled,
        (false, true) => Place::Ready,
        (false, false) => Place::Failed,
    };
    state.end_lease(job, place);
    again
}

fn forget(state: &mut State, worker: usize, job: usize, run: usize) {
    let runs = &mut state.workers[worker].runs[job];
    runs[run] = None;
    if run == 0 {
        runs.swap(0, 1);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.faults)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for job in 0..JOBS {
            Self::job_actions(state, job, actions);
        }
        for worker in 0..WORKERS {
            self.worker_actions(state, worker, actions);
        }
        let stale = |job: &usize| matches!(state.jobs[*job].place, Place::Leased { stale: true, .. });
        if (0..JOBS).any(|job| stale(&job)) {
            actions.push(Action::Rescue { notifies: true });
            let wakes = (0..JOBS).filter(stale).any(|job| retried(state, job, state.jobs[job].crashes + 1));
            if state.faults > 0 && wakes {
                actions.push(Action::Rescue { notifies: false });
            }
        }
        if state.faults > 0 {
            let last = state.jobs.iter().map(|job| job.unflushed).max().unwrap_or(0);
            actions.extend((0..last).map(|kept| Action::CrashPostgres { kept }));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            // `jobs.enqueue`, the trigger `queue_new_jobs`
            Action::Enqueue { job, notifies } => {
                state.flush();
                state.jobs[job].place = Place::Ready;
                state.wake(&[job], notifies);
            }
            Action::Claim { worker, most, heard } => self.claim(&mut state, worker, most, heard),
            Action::GrowIdle { worker } => {
                let attention = &mut state.workers[worker].attention;
                *attention = match attention {
                    Attention::Woken => Attention::Lingering,
                    Attention::Lingering | Attention::Idle => Attention::Idle,
                };
            }
            // The far side. No transaction is open.
            Action::Call { worker, job, run } => {
                if let Some(run) = &mut state.workers[worker].runs[job][run] {
                    run.called = true;
                }
                state.jobs[job].calls += u8::from(!KINDS[job].idempotent);
            }
            Action::Complete { worker, job, run, callback_raises, heard } => {
                self.complete(&mut state, worker, job, run, callback_raises, heard);
            }
            // `jobs.fail` with class `ambiguous`, and `jobs.promote` when the wait is over
            Action::FailAmbiguous { worker, job, run, notifies } => {
                state.flush();
                state.faults -= 1;
                if !KINDS[job].idempotent {
                    // Whoever asked for its end learns that it may have happened.
                    state.end_lease(job, Place::Failed);
                } else if end_attempt(&mut state, job, 0) {
                    state.wake(&[job], notifies);
                }
                forget(&mut state, worker, job, run);
            }
            // `jobs.fail` with class `cancelled`
            Action::Abort { worker, job, run } => {
                state.flush();
                state.end_lease(job, Place::Cancelled);
                forget(&mut state, worker, job, run);
            }
            // `jobs.run_callbacks`
            Action::RunCallback { job } => {
                state.flush();
                state.jobs[job].place = Place::Completed;
                state.jobs[job].effects += 1;
                state.jobs[job].completions += 1;
            }
            // `jobs.heartbeat`: `UPDATE … SET renewed_at = _now`; what is missing from its answer is stopped
            Action::Heartbeat { worker } => {
                state.flush();
                for job in 0..JOBS {
                    for run in (0..2).rev() {
                        let Some(known) = state.workers[worker].runs[job][run] else { continue };
                        if holds(&state, worker, job, known) {
                            state.jobs[job].place = Place::Leased { owner: owner_of(worker), stale: false };
                        } else {
                            forget(&mut state, worker, job, run);
                        }
                    }
                }
            }
            // By then the server has written out what it holds back for less than a second.
            Action::TenSecondsWithoutHeartbeat { job } => {
                state.flush();
                if let Place::Leased { owner, .. } = state.jobs[job].place {
                    let renewed = matches!(owner, Owner::Worker(worker) if state.knows(usize::from(worker), job));
                    state.faults -= u8::from(renewed);
                    state.jobs[job].place = Place::Leased { owner, stale: true };
                }
            }
            // `jobs.rescue`: `WHERE coalesce(l.renewed_at, l.claimed_at) < _now - interval '10 seconds'`
            Action::Rescue { notifies } => {
                state.flush();
                let mut ready = Vec::new();
                for job in 0..JOBS {
                    if matches!(state.jobs[job].place, Place::Leased { stale: true, .. }) {
                        state.jobs[job].crashes += 1;
                        let crashes = state.jobs[job].crashes;
                        if end_attempt(&mut state, job, crashes) {
                            ready.push(job);
                        }
                    }
                }
                if !ready.is_empty() {
                    state.wake(&ready, notifies);
                }
            }
            // `jobs.cancel`
            Action::Cancel { job } => {
                state.flush();
                state.faults -= 1;
                match state.jobs[job].place {
                    Place::Ready => state.end_lease(job, Place::Cancelled),
                    _ => state.jobs[job].cancel_requested = true,
                }
            }
            // kill -9. It starts again, under another id, and looks at once.
            Action::CrashWorker { worker } => {
                state.faults -= 1;
                state.workers[worker] = State::new(0).workers[worker];
                for job in &mut state.jobs {
                    job.owed[worker] = false;
                    if let Place::Leased { owner, .. } = &mut job.place
                        && *owner == owner_of(worker)
                    {
                        *owner = Owner::Gone;
                    }
                }
            }
            // The claims that were not on disk are undone: all of them, or the later ones.
            Action::CrashPostgres { kept } => {
                state.faults -= 1;
                for job in 0..JOBS {
                    if state.jobs[job].unflushed > kept {
                        state.end_lease(job, Place::Ready);
                        state.jobs[job].epoch -= 1;
                    }
                }
                state.flush();
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        properties::all()
    }
}
