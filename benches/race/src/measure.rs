//! What a measured process says of itself.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// One measurement. What a workload does not measure is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Jobs that were done.
    pub(crate) jobs: u64,
    /// In that time.
    pub(crate) seconds: f64,
    /// Whether the time ran out before the jobs did.
    pub(crate) cut: bool,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// Of one core.
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
    /// Bytes of WAL a job.
    pub(crate) wal: Option<f64>,
}

impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        self.jobs as f64 / self.seconds
    }

    pub(crate) fn latencies(mut self, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |share: f64| {
            let last = latencies.len().checked_sub(1)?;
            Some(latencies[(last as f64 * share).round() as usize].as_secs_f64() * 1e3)
        };
        (self.p50_ms, self.p99_ms) = (at(0.50), at(0.99));
        self
    }
}

/// The largest this process ever was.
pub(crate) fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// CPU time of this process since a moment.
pub(crate) struct CpuClock {
    started: Instant,
    ticks: u64,
}

impl CpuClock {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self { started: Instant::now(), ticks: cpu_ticks()? })
    }

    /// Of one core, since [`start`](Self::start).
    pub(crate) fn percent(&self) -> anyhow::Result<f64> {
        // /proc counts in hundredths of a second on every architecture that Rust's Linux targets have.
        let used = (cpu_ticks()? - self.ticks) as f64 / 100.0;
        Ok(used / self.started.elapsed().as_secs_f64() * 100.0)
    }
}

/// `utime` and `stime` of /proc/self/stat, behind the process's name, which may hold blanks.
fn cpu_ticks() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/self/stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next().context("/proc/self/stat is short")?.parse::<u64>().map_err(anyhow::Error::from);
    Ok(next()? + next()?)
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    // Of an even number, between the two in the middle.
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}
