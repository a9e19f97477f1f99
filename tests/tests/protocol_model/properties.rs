//! What must hold in every state, and what must be reached for that to mean something.

use stateright::{Model as _, Property};

use crate::{
    protocol::Protocol,
    state::{KINDS, Place, State},
};

pub(crate) const NOTHING_LOST: &str = "no job is left lying: where nothing more can happen, every job is finished";
pub(crate) const ONE_COMPLETION: &str = "at most one completion is recorded for a job";
pub(crate) const ONE_EFFECT: &str = "a callback's effect is there once for a completed job, and not before";
pub(crate) const FENCED: &str = "no success is recorded by a worker that lost its lease";
pub(crate) const ONE_CALL: &str = "a call that may not be repeated is made at most once";
pub(crate) const IN_TIME: &str = "an active worker finds a job whose notification was skipped before its idle poll";

pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(NOTHING_LOST, |protocol: &Protocol, state: &State| {
            let finished = |place: Place| matches!(place, Place::Completed | Place::Failed | Place::Cancelled);
            let mut actions = Vec::new();
            protocol.actions(state, &mut actions);
            !actions.is_empty() || state.jobs.iter().all(|job| finished(job.place))
        }),
        Property::always(ONE_COMPLETION, |_, state: &State| state.jobs.iter().all(|job| job.completions <= 1)),
        Property::always(ONE_EFFECT, |_, state: &State| {
            let wanted = |job: usize| u8::from(KINDS[job].callback && state.jobs[job].place == Place::Completed);
            state.jobs.iter().enumerate().all(|(number, job)| job.effects == wanted(number))
        }),
        Property::always(FENCED, |_, state: &State| !state.fenced_success),
        Property::always(ONE_CALL, |_, state: &State| state.jobs.iter().all(|job| job.calls <= 1)),
        Property::always(IN_TIME, |_, state: &State| !state.late),
        // Each of these is a way in which the above could have been broken.
        Property::sometimes("a claim is undone by a crash of PostgreSQL while its call is made", |_, state: &State| {
            state.workers.iter().any(|worker| {
                worker.runs.iter().zip(&state.jobs).any(|(runs, job)| {
                    job.place == Place::Ready && runs.iter().flatten().any(|run| run.called && run.epoch > job.epoch)
                })
            })
        }),
        Property::sometimes("two workers have the same epoch of a job", |_, state: &State| {
            let [one, other] = &state.workers;
            one.runs.iter().zip(&other.runs).any(|(one, other)| {
                one.iter().flatten().any(|run| other.iter().flatten().any(|rival| rival.epoch == run.epoch))
            })
        }),
        Property::sometimes("a worker has two claims of one job", |_, state: &State| {
            state.workers.iter().any(|worker| worker.runs.iter().any(|runs| runs.iter().flatten().count() == 2))
        }),
        Property::sometimes("a job is rescued from a worker that goes on", |_, state: &State| {
            state.workers.iter().any(|worker| {
                worker
                    .runs
                    .iter()
                    .zip(&state.jobs)
                    .any(|(runs, job)| job.crashes > 0 && runs.iter().flatten().any(|run| run.called && !run.current))
            })
        }),
        Property::sometimes("a callback waits", |_, state: &State| {
            state.jobs.iter().any(|job| job.place == Place::Callback)
        }),
        Property::sometimes("a running job is cancelled", |_, state: &State| {
            state.jobs.iter().any(|job| job.cancel_requested)
        }),
        Property::sometimes("a job is ready and nobody was notified", |_, state: &State| {
            state.any_ready() && state.workers.iter().all(|w| w.attention == crate::state::Attention::Idle)
        }),
        Property::sometimes("all jobs complete", |_, state: &State| {
            state.jobs.iter().all(|job| job.place == Place::Completed)
        }),
    ]
}
