//! A job as the model sees it, in the words in which the database is asked about it.

use std::fmt;

use crate::step::{NewJob, Rule};

/// A worker's right to report about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) job: usize,
    pub(crate) epoch: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) made_as: NewJob,
    /// The rule under which it was made: `never` where it has no name.
    pub(crate) rule: Rule,
    pub(crate) max_attempts: i32,
    /// How often it was claimed.
    pub(crate) epoch: i32,
    pub(crate) place: Place,
    /// The audit trail.
    pub(crate) events: Vec<String>,
    /// How often the callbacks had their effect.
    pub(crate) successes: u32,
    pub(crate) failures: u32,
}

/// What travels with a job from attempt to attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Calls made.
    pub(crate) attempts: i32,
    pub(crate) crashes: i32,
    /// Tries in a row that used no attempt up.
    pub(crate) put_off: i32,
    pub(crate) effect_possible: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Ready(Tally),
    Scheduled {
        due: bool,
        tally: Tally,
    },
    /// The tally counts the attempt under way.
    Leased {
        worker: u8,
        alive: bool,
        cancel: bool,
        tally: Tally,
    },
    /// Its call is over, and its callback waits.
    Callback(Callback),
    /// With the callback that was given up, if it was.
    Finished(Outcome, Option<Callback>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Success,
    Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    Later,
    Never,
}

#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) kind: Kind,
    pub(crate) tries: i32,
    pub(crate) due: Due,
    pub(crate) tally: Tally,
    pub(crate) class: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: &'static str,
    pub(crate) class: Option<&'static str>,
    pub(crate) attempts: i32,
    /// The epoch that wrote the output, where there is one.
    pub(crate) output: Option<i32>,
    /// It did not succeed, and a call may have had its effect all the same.
    pub(crate) effect_possible: bool,
}

impl Job {
    pub(crate) fn new(made_as: NewJob, rule: Rule, max_attempts: i32) -> Self {
        let place = match made_as.delayed {
            true => Place::Scheduled { due: false, tally: Tally::default() },
            false => Place::Ready(Tally::default()),
        };
        Self { made_as, rule, max_attempts, epoch: 0, place, events: Vec::new(), successes: 0, failures: 0 }
    }

    /// Adds to the audit trail.
    pub(crate) fn record(&mut self, event: &str, attempt: i32, worker: Option<u8>, class: Option<&str>) {
        let worker = worker.map_or_else(|| "-".to_owned(), |worker| worker.to_string());
        self.events.push(format!("{event}/{}/{attempt}/{worker}/{}", self.epoch, class.unwrap_or("-")));
    }

    fn tally(&self, f: &mut fmt::Formatter<'_>, tally: Tally) -> fmt::Result {
        let (effect, keyed) = (letter(tally.effect_possible), letter(self.rule != Rule::Never));
        write!(f, " rank {} attempts {} crashes {}", -self.made_as.priority, tally.attempts, tally.crashes)?;
        write!(f, " put off {}", tally.put_off)?;
        write!(f, " effect {effect} keyed {keyed} epoch {}", self.epoch)
    }

    fn callback(&self, f: &mut fmt::Formatter<'_>, callback: &Callback) -> fmt::Result {
        let Callback { kind, tries, due, tally, class } = callback;
        let kind = match kind {
            Kind::Success => "success",
            Kind::Failure => "failure",
        };
        let due = match due {
            Due::Now => "t",
            Due::Later => "f",
            Due::Never => "-",
        };
        write!(f, "callback {kind} tries {tries} due {due} attempts {}", tally.attempts)?;
        write!(f, " effect {} keyed {}", letter(tally.effect_possible), letter(self.rule != Rule::Never))?;
        write!(f, " class {} epoch {}", class.unwrap_or("-"), self.epoch)
    }
}

const fn letter(value: bool) -> char {
    if value { 't' } else { 'f' }
}

/// The text that `database::STATE` makes of the same job.
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Ready(tally) => {
                write!(f, "ready")?;
                self.tally(f, *tally)?;
            }
            Place::Scheduled { due, tally } => {
                write!(f, "scheduled due {}", letter(*due))?;
                self.tally(f, *tally)?;
            }
            Place::Leased { worker, alive, cancel, tally } => {
                write!(f, "leased by {worker} alive {} cancel {}", letter(*alive), letter(*cancel))?;
                self.tally(f, *tally)?;
            }
            Place::Callback(callback) => self.callback(f, callback)?,
            Place::Finished(outcome, given_up) => {
                if let Some(callback) = given_up {
                    self.callback(f, callback)?;
                    write!(f, " + ")?;
                }
                let Outcome { status, class, attempts, output, effect_possible: _ } = outcome;
                let output = output.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string());
                write!(f, "{status} class {} attempts {attempts} output {output}", class.unwrap_or("-"))?;
                write!(f, " epoch {}", self.epoch)?;
            }
        }
        write!(f, "; effects {}/{}; {}", self.successes, self.failures, self.events.join(" "))
    }
}
