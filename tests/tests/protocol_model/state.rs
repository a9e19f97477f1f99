//! What the database and the workers know, and what only an onlooker can.

pub(crate) const JOBS: usize = 3;
pub(crate) const WORKERS: usize = 2;
/// Of each job.
pub(crate) const MAX_ATTEMPTS: u8 = 3;

/// What is declared about a job's operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// `jobs.tb_operation.idempotent`
    pub(crate) idempotent: bool,
    /// It has an `on_success`.
    pub(crate) callback: bool,
}

/// One of each sort that the protocol tells apart.
pub(crate) const KINDS: [Kind; JOBS] = [
    Kind { idempotent: true, callback: true },
    Kind { idempotent: false, callback: true },
    Kind { idempotent: true, callback: false },
];

/// In which table a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Unborn,
    /// `jobs.tb_job_ready`; retries are here at once, for a wait changes nothing about what may follow.
    Ready,
    /// `jobs.tb_job_lease`; `stale` is a `renewed_at` of ten seconds ago.
    Leased {
        owner: Owner,
        stale: bool,
    },
    /// `jobs.tb_job_callback`
    Callback,
    /// `jobs.tb_job_outcome`
    Completed,
    Failed,
    Cancelled,
}

/// `jobs.tb_job_lease.worker_code`. A worker that starts again has another id, so the old one is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Worker(u8),
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    pub(crate) place: Place,
    /// Equal to the attempts: no claim of this model is given back.
    pub(crate) epoch: u8,
    pub(crate) crashes: u8,
    pub(crate) cancel_requested: bool,
    /// Not zero: the claim is committed but not on disk. Later commits have larger numbers.
    pub(crate) unflushed: u8,
    /// The onlooker's: calls made that may not be repeated.
    pub(crate) calls: u8,
    /// The onlooker's: completions recorded.
    pub(crate) completions: u8,
    /// What the callback leaves behind.
    pub(crate) effects: u8,
    /// The onlooker's: these workers were active when the job became ready without a notification.
    pub(crate) owed: [bool; WORKERS],
}

/// A worker's work on one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) epoch: u8,
    /// The call was made, and came back.
    pub(crate) called: bool,
    /// The onlooker's: the job has not been claimed, rescued or ended since.
    pub(crate) current: bool,
}

/// When a worker looks for jobs: `Pace` of the fetcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Attention {
    /// A notification has come, or it has just started.
    Woken,
    /// It had work a moment ago, and polls every few milliseconds.
    Lingering,
    /// It polls once a second.
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    pub(crate) attention: Attention,
    /// The latest claim of each job, and the one before, whose work may still go on.
    pub(crate) runs: [[Option<Run>; 2]; JOBS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) jobs: [Job; JOBS],
    pub(crate) workers: [Worker; WORKERS],
    /// How many things may still go wrong.
    pub(crate) faults: u8,
    /// The onlooker's: a worker recorded a success for a lease that it had lost.
    pub(crate) fenced_success: bool,
    /// The onlooker's: an active worker came to a job only by its idle poll.
    pub(crate) late: bool,
}

impl State {
    pub(crate) const fn new(faults: u8) -> Self {
        let job = Job {
            place: Place::Unborn,
            epoch: 0,
            crashes: 0,
            cancel_requested: false,
            unflushed: 0,
            calls: 0,
            completions: 0,
            effects: 0,
            owed: [false; WORKERS],
        };
        let worker = Worker { attention: Attention::Woken, runs: [[None; 2]; JOBS] };
        Self { jobs: [job; JOBS], workers: [worker; WORKERS], faults, fenced_success: false, late: false }
    }

    pub(crate) fn any_ready(&self) -> bool {
        self.jobs.iter().any(|job| job.place == Place::Ready)
    }

    /// A commit that waits for the disk takes everything before it along.
    pub(crate) fn flush(&mut self) {
        for job in &mut self.jobs {
            job.unflushed = 0;
        }
    }

    /// The lease of a job is gone, however that came.
    pub(crate) fn end_lease(&mut self, job: usize, place: Place) {
        self.jobs[job].place = place;
        if !matches!(place, Place::Ready) {
            self.jobs[job].cancel_requested = false;
        }
        for worker in &mut self.workers {
            for run in worker.runs[job].iter_mut().flatten() {
                run.current = false;
            }
        }
    }

    /// `jobs.wake_workers`: `notifies` where `pg_try_advisory_xact_lock` gave it the gate. The transaction that has it may
    /// hold it for long and roll back, so then nothing need ever come.
    pub(crate) fn wake(&mut self, ready: &[usize], notifies: bool) {
        if notifies {
            for worker in &mut self.workers {
                worker.attention = Attention::Woken;
            }
            return;
        }
        self.faults -= 1;
        for job in ready {
            for (worker, owed) in self.workers.iter().zip(&mut self.jobs[*job].owed) {
                *owed = worker.attention == Attention::Lingering;
            }
        }
    }

    /// The worker has a run of the lease that stands in the database, as far as it can tell.
    pub(crate) fn knows(&self, worker: usize, job: usize) -> bool {
        self.workers[worker].runs[job].iter().flatten().any(|run| run.epoch == self.jobs[job].epoch)
    }
}
