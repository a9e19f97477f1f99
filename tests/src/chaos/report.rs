//! What a run did, and what did not hold.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Displays, Recovery, load::Sampled, plan::Event};
use crate::work::Standing;

/// The result of a run.
#[derive(Debug)]
#[allow(missing_docs)] // the lines that it prints name them
pub struct Report {
    pub seed: u64,
    /// What went wrong on purpose, and how often.
    pub events: BTreeMap<&'static str, usize>,
    /// How long PostgreSQL was away, each time.
    pub outages: Vec<Duration>,
    pub starts: usize,
    pub acknowledged: usize,
    pub refused: usize,
    pub cancelled: usize,
    pub standing: Option<Standing>,
    pub calls: i64,
    pub rescued: i64,
    pub drained: Duration,
    pub recoveries: Vec<Recovery>,
    pub stalled: usize,
    pub rows_held: usize,
    pub jobs_held: usize,
    pub displays: Option<Displays>,
    pub samples: usize,
    pub by_fallbacks: i64,
    /// By service: the limit and the most that ran at once.
    pub limits: BTreeMap<String, (i64, i64)>,
    /// What should have held and did not. None is the only good result.
    pub violations: Vec<String>,
}

impl Report {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            events: BTreeMap::new(),
            outages: Vec::new(),
            starts: 0,
            acknowledged: 0,
            refused: 0,
            cancelled: 0,
            standing: None,
            calls: 0,
            rescued: 0,
            drained: Duration::ZERO,
            recoveries: Vec::new(),
            stalled: 0,
            rows_held: 0,
            jobs_held: 0,
            displays: None,
            samples: 0,
            by_fallbacks: 0,
            limits: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, event: Event) {
        *self.events.entry(name(event)).or_default() += 1;
    }

    pub(super) fn recovered(&mut self, recoveries: Vec<Recovery>, within: Duration) {
        let late: BTreeMap<Duration, Duration> =
            recoveries.iter().filter(|one| one.counted > within).map(|one| (one.killed, one.counted)).collect();
        self.must(late.is_empty(), || format!("later than {within:?} after the kill at … jobs went on: {late:?}"));
        self.recoveries = recoveries;
    }

    pub(super) fn sampled(&mut self, sampled: Sampled) {
        self.samples = sampled.samples;
        for (service, (limit, most)) in &sampled.most {
            self.must(most <= limit, || format!("{most} jobs of `{service}` ran at once, whose limit is {limit}"));
            // It says nothing about a limit that nobody came near.
            self.must(*most > 1, || format!("never two jobs of `{service}` ran at once, whose limit is {limit}"));
        }
        self.limits = sampled.most;
        self.by_fallbacks = sampled.by_fallbacks;
        self.must(sampled.by_fallbacks > 0, || "no sample has met a call by a fallback".into());
        let samples = self.samples;
        self.must(samples > 0, || "nobody counted what runs".into());
    }

    pub(super) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(otherwise());
        }
    }
}

fn name(event: Event) -> &'static str {
    use crate::proxy::Fault;

    match event {
        Event::Kill { .. } => "workers killed",
        Event::Pause { .. } => "workers paused",
        Event::Backends { .. } => "sessions terminated, times",
        Event::Network { fault: Fault::ReadOnly, .. } => "networks that led to a standby",
        Event::Networks { fault: Fault::ReadOnly, .. } => "failovers to a standby, all",
        Event::Networks { .. } => "networks half open, all",
        Event::Stall { .. } => "connections stalled, planned",
        Event::Rows { .. } => "transactions that held rows",
        Event::Cancel { .. } => "transactions that held a cancel",
        Event::Network { fault: Fault::BlackHole, .. } => "networks half open",
        Event::Network { fault: Fault::Delay(_), .. } => "networks slow",
        Event::Network { fault: Fault::Reset, .. } => "networks reset",
        Event::Network { .. } => "networks cut off in an answer",
        Event::Restart => "PostgreSQL restarted",
        Event::Crash => "PostgreSQL crashed",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, value: &dyn fmt::Display| writeln!(f, "  {what:<34} {value}");
        for (event, times) in &self.events {
            line(event, times)?;
        }
        let seconds = |time: &Duration| format!("{:.1} s", time.as_secs_f32());
        line("PostgreSQL away, longest", &self.outages.iter().max().map_or_else(String::new, seconds))?;
        line("connections stalled", &self.stalled)?;
        line("rows of callbacks held", &self.rows_held)?;
        line("cancelled jobs held", &self.jobs_held)?;
        line("worker processes started", &self.starts)?;
        line("transactions answered", &self.acknowledged)?;
        line("transactions failed", &self.refused)?;
        line("jobs cancelled, asked", &self.cancelled)?;
        if let Some(standing) = &self.standing {
            line("tasks committed", &standing.tasks)?;
            line("jobs completed", &standing.completed)?;
            line("jobs without an outcome", &standing.unfinished)?;
            line("callbacks not exactly once", &standing.miscounted)?;
            line("calls repeated that may not be", &standing.repeated)?;
        }
        line("calls made", &self.calls)?;
        line("attempts lost with their worker", &self.rescued)?;
        line("until drained, when healed", &seconds(&self.drained))?;
        let mut counted: Vec<Duration> = self.recoveries.iter().map(|recovery| recovery.counted).collect();
        counted.sort_unstable();
        let worst = |beside: bool| {
            let beside = self.recoveries.iter().filter(|recovery| recovery.beside_broken_networks == beside);
            beside.map(|recovery| recovery.counted).max().as_ref().map_or_else(String::new, seconds)
        };
        line("jobs recovered after kill -9", &counted.len())?;
        line("  median", &counted.get(counted.len() / 2).map_or_else(String::new, seconds))?;
        line("  worst, networks in order", &worst(false))?;
        line("  worst, beside broken networks", &worst(true))?;
        let took = self.recoveries.iter().map(|recovery| recovery.took).max();
        line("  worst, with what nobody could help", &took.as_ref().map_or_else(String::new, seconds))?;
        if let Some(displays) = &self.displays {
            line("displays told of a value", &displays.told)?;
            line("  by workers that had lost the job", &displays.late)?;
            line("displays with a wrong value", &displays.wrong)?;
            line("told backwards, or two at once", &(displays.backwards + displays.together))?;
        }
        line("samples of what runs", &self.samples)?;
        line("most by fallbacks at once", &self.by_fallbacks)?;
        for (service, (limit, most)) in &self.limits {
            line(&format!("most of `{service}` at once, of {limit}"), most)?;
        }
        for violation in &self.violations {
            line("DOES NOT HOLD:", violation)?;
        }
        Ok(())
    }
}
