//! The table.

use std::fmt::Write as _;

use crate::{
    contender::{Entrant, Library},
    measure::median,
    race::Results,
    workload::{Budget, STEADY_RATE, Sample, Workload},
};

/// A race that is over.
pub(crate) struct Report<'r> {
    pub(crate) facts: String,
    pub(crate) budget: &'r Budget,
    pub(crate) results: &'r Results,
}

/// What a column shows.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    workload: Workload,
    of: fn(&Sample) -> Option<f64>,
    /// Whether more is better.
    pub(crate) more: bool,
    digits: usize,
    /// Whether it shows the enqueuing, in which the worker's settings have no part: shown for the tuned ones.
    enqueuing: bool,
}

impl Column {
    /// How many times as good `ours` is.
    fn ratio(&self, ours: f64, theirs: f64) -> f64 {
        if self.more { ours / theirs } else { theirs / ours }
    }

    /// The title without its unit.
    fn what(&self) -> &'static str {
        self.title.split(',').next().unwrap_or(self.title)
    }

    const fn more(title: &'static str, workload: Workload, of: fn(&Sample) -> Option<f64>) -> Self {
        Self { title, workload, of, more: true, digits: 0, enqueuing: false }
    }

    const fn less(title: &'static str, workload: Workload, digits: usize, of: fn(&Sample) -> Option<f64>) -> Self {
        Self { title, workload, of, more: false, digits, enqueuing: false }
    }
}

pub(crate) const DRAIN: Column = Column::more("drain, jobs/s", Workload::Drain, |s| Some(s.measured.rate()));
pub(crate) const BULK: Column = Column {
    enqueuing: true,
    ..Column::more("bulk enqueue, jobs/s", Workload::Drain, |s| Some(s.fill.as_ref()?.rate()))
};
pub(crate) const SINGLE: Column = Column::more("64 clients, tx/s", Workload::Single, |s| Some(s.measured.rate()));
pub(crate) const LATENCY: Column =
    Column::less("commit to handler, p99 ms", Workload::Latency, 1, |s| s.measured.p99_ms);
pub(crate) const CALLBACK: Column =
    Column::more("with callback, jobs/s", Workload::Callback, |s| Some(s.measured.rate()));
const WAL: Column = Column::less("WAL, bytes/job", Workload::Drain, 0, |s| s.measured.wal);
const COLUMNS: [Column; 11] = [
    DRAIN,
    WAL,
    Column::less("peak, MiB", Workload::Drain, 0, |s| s.measured.peak_mib),
    BULK,
    SINGLE,
    Column::less("commit to handler, p50 ms", Workload::Latency, 1, |s| s.measured.p50_ms),
    LATENCY,
    Column::less("steady, p50 ms", Workload::Steady, 1, |s| s.measured.p50_ms),
    Column::less("steady, p99 ms", Workload::Steady, 1, |s| s.measured.p99_ms),
    Column::less("steady, CPU %", Workload::Steady, 0, |s| s.measured.cpu_percent),
    CALLBACK,
];

/// How many times as good as a peer ours is to be at least.
const GOALS: [(Column, Library, f64); 4] = [
    (DRAIN, Library::GraphileWorker, 2.2),
    (SINGLE, Library::RiverQueue, 1.3),
    (SINGLE, Library::GraphileWorker, 5.0),
    (BULK, Library::Awa, 1.1),
];
/// Bytes a job.
const WAL_GOAL: u32 = 900;

impl Report<'_> {
    /// Who took part.
    pub(crate) fn entrants(&self) -> Vec<Entrant> {
        let mut entrants: Vec<Entrant> = self.results.keys().map(|(entrant, _)| *entrant).collect();
        entrants.dedup();
        entrants
    }

    fn samples(&self, entrant: Entrant, workload: Workload) -> impl Iterator<Item = &Sample> {
        self.results.get(&(entrant, workload)).into_iter().flatten().filter_map(|sample| sample.as_ref().ok())
    }

    /// The median over the rounds.
    pub(crate) fn value(&self, entrant: Entrant, column: &Column) -> Option<f64> {
        if column.enqueuing && entrant.defaults {
            return None;
        }
        median(self.samples(entrant, column.workload).filter_map(column.of).collect())
    }

    /// Whether the time ran out.
    fn cut(&self, entrant: Entrant, column: &Column) -> bool {
        let cut = |sample: &Sample| sample.fill.as_ref().filter(|_| column.enqueuing).unwrap_or(&sample.measured).cut;
        self.samples(entrant, column.workload).any(cut)
    }

    /// How many times as good ours is as the best of the others.
    fn to_best_peer(&self, column: &Column) -> Option<f64> {
        let best = |whose: fn(Entrant) -> bool| {
            let entrants = self.entrants().into_iter().filter(|&entrant| whose(entrant));
            let values =
                entrants.filter(|&e| column.more || !self.cut(e, column)).filter_map(|e| self.value(e, column));
            values.reduce(if column.more { f64::max } else { f64::min })
        };
        Some(column.ratio(best(Entrant::is_ours)?, best(Entrant::is_peer)?))
    }

    /// How many times as good ours is as another, both as they are tuned.
    fn to(&self, other: Entrant, column: &Column) -> Option<f64> {
        Some(column.ratio(self.value(Entrant::OURS, column)?, self.value(other, column)?))
    }

    /// What was reached of the project's goals, as far as it was measured.
    fn goals(&self) -> Option<String> {
        let mut parts = Vec::new();
        for (column, library, goal) in GOALS {
            let peer = Entrant::tuned(library);
            let reached = self.to(peer, &column);
            parts.extend(reached.map(|reached| format!("{} {reached:.2}× {peer} (at least {goal}×)", column.what())));
        }
        let wal = self.value(Entrant::OURS, &WAL);
        parts.extend(wal.map(|wal| format!("WAL {} bytes/job (at most {WAL_GOAL})", number(wal, 0))));
        (!parts.is_empty()).then(|| format!("{} and its goals: {}.", Entrant::OURS, parts.join(", ")))
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let titles: Vec<&str> = COLUMNS.iter().map(|column| column.title).collect();
        let _ = writeln!(text, "| | keeps | {} |", titles.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---:|".repeat(COLUMNS.len()));
        let mut any_cut = false;
        for entrant in self.entrants() {
            let cells = COLUMNS.iter().map(|column| match self.value(entrant, column) {
                None => String::from("–"),
                Some(value) => {
                    let cut = self.cut(entrant, column);
                    any_cut |= cut;
                    format!("{}{}", number(value, column.digits), if cut { "\\*" } else { "" })
                }
            });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(text, "| {entrant} | {} | {} |", entrant.library.keeps(), cells.join(" | "));
        }
        let mut compare = |to: &str, ratio: &dyn Fn(&Column) -> Option<f64>, digits: usize| {
            let bold = |ratio| format!("**{ratio:.digits$}×**");
            let ratios: Vec<String> =
                COLUMNS.iter().map(|column| ratio(column).map_or_else(|| "–".into(), bold)).collect();
            let _ = writeln!(text, "| **ours to {to}** | | {} |", ratios.join(" | "));
        };
        compare("the best peer", &|column| self.to_best_peer(column), 1);
        if self.entrants().contains(&Entrant::BEFORE) {
            compare("before", &|column| self.to(Entrant::BEFORE, column), 2);
        }
        let _ = writeln!(text);
        if let Some(goals) = self.goals() {
            let _ = writeln!(text, "{goals}\n");
        }
        let _ = writeln!(text, "Medians of {} round(s); {}.", self.budget.rounds, self.facts);
        if any_cut {
            let _ = writeln!(
                text,
                "\\* The time ran out ({} s a fill or drain, {} jobs at most): the rate is that over the jobs done by then; \
                 in the steady state ({STEADY_RATE} jobs/s), the worker or its producer fell behind.",
                self.budget.drain_seconds, self.budget.jobs
            );
        }
        for entrant in self.entrants() {
            let limited = median(self.samples(entrant, Workload::Limit).map(|sample| sample.measured.rate()).collect());
            if let (Some(free), Some(limited)) = (self.value(entrant, &DRAIN), limited) {
                let cost = (1.0 - limited / free) * 100.0;
                let _ = writeln!(
                    text,
                    "\n{entrant} under a limit over all workers: {limited:.0} jobs/s, {cost:.0} % less than without."
                );
            }
        }
        for ((entrant, workload), samples) in self.results {
            for reason in samples.iter().filter_map(|sample| sample.as_ref().err()) {
                let _ = writeln!(text, "\n{entrant} has no figure for {workload:?}: {reason}");
            }
        }
        text
    }
}

/// With thousands apart.
pub(crate) fn number(value: f64, digits: usize) -> String {
    if value < 10.0 {
        return format!("{value:.*}", digits.max(1));
    }
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}
