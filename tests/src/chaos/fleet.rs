//! The worker processes, each behind a network of its own.

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sqlx::types::chrono::{DateTime, Utc};

use super::{plan::WORKERS, recovery::Span};
use crate::{
    process::{Process, eventually},
    proxy::{Fault, Proxy},
    work::Queue,
};

/// A process that was killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Killed {
    pub(super) process: i32,
    pub(super) at: DateTime<Utc>,
}

/// All workers.
pub(super) struct Fleet {
    binary: PathBuf,
    workers: Vec<Member>,
    pub(super) killed: Vec<Killed>,
    /// When a network was broken, or a connection stalled.
    pub(super) broken: Vec<Span>,
    /// Until when all are cut off. What befalls a single network meanwhile changes nothing.
    all_cut_off_until: Option<Instant>,
    /// Connections that were stalled.
    pub(super) stalled: usize,
    /// Processes started, the first ones included.
    pub(super) starts: usize,
    /// Ends that nobody asked for.
    pub(super) violations: Vec<String>,
}

struct Member {
    proxy: Proxy,
    process: Option<Process>,
    /// When it is started again.
    due: Instant,
    /// When it goes on.
    paused_until: Option<Instant>,
    /// When its network works again.
    cut_off_until: Option<Instant>,
    /// Which connection is to stall, and how long.
    to_stall: Option<(&'static str, Duration)>,
    /// When what is stalled goes on.
    stalled_until: Option<Instant>,
}

impl Fleet {
    pub(super) async fn new(binary: PathBuf, queue: &Queue) -> Self {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let proxy = Proxy::start(queue.url()).await;
            workers.push(Member {
                proxy,
                process: None,
                due: Instant::now(),
                paused_until: None,
                cut_off_until: None,
                to_stall: None,
                stalled_until: None,
            });
        }
        Self {
            binary,
            workers,
            killed: Vec::new(),
            broken: Vec::new(),
            all_cut_off_until: None,
            stalled: 0,
            starts: 0,
            violations: Vec::new(),
        }
    }

    pub(super) fn kill(&mut self, worker: usize, away: Duration) {
        let member = &mut self.workers[worker];
        if let Some(mut process) = member.process.take() {
            let at = Utc::now();
            process.kill();
            self.killed.push(Killed { process: i32::try_from(process.id()).expect("process ids are small"), at });
        }
        member.paused_until = None;
        member.due = Instant::now() + away;
    }

    pub(super) fn pause(&mut self, worker: usize, time: Duration) {
        let member = &mut self.workers[worker];
        if let Some(process) = &mut member.process
            && !process.has_ended()
        {
            process.signal(Signal::STOP);
            member.paused_until = Some(Instant::now() + time);
        }
    }

    pub(super) fn cut_off(&mut self, worker: usize, fault: Fault, time: Duration) {
        if self.all_cut_off_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let member = &mut self.workers[worker];
        member.proxy.set(fault);
        member.cut_off_until = Some(Instant::now() + time);
        self.broken.push(Span::from_now(time));
    }

    pub(super) fn cut_all_off(&mut self, fault: Fault, time: Duration) {
        self.all_cut_off_until = None;
        for worker in 0..self.workers.len() {
            self.cut_off(worker, fault, time);
        }
        self.all_cut_off_until = Some(Instant::now() + time);
    }

    /// One connection of that name stalls, as soon as there is one.
    pub(super) fn stall(&mut self, worker: usize, connection: &'static str, time: Duration) {
        self.workers[worker].to_stall = Some((connection, time));
    }

    /// Starts, continues and heals what is due.
    pub(super) fn tend(&mut self, queue: &Queue) {
        let now = Instant::now();
        for (number, member) in self.workers.iter_mut().enumerate() {
            if member.cut_off_until.is_some_and(|until| now >= until) {
                member.proxy.set(Fault::None);
                member.cut_off_until = None;
            }
            if let Some((_, time)) = member.to_stall.take_if(|(connection, _)| member.proxy.stall(connection)) {
                member.stalled_until = member.stalled_until.max(Some(now + time));
                self.stalled += 1;
                self.broken.push(Span::from_now(time));
            }
            if member.stalled_until.is_some_and(|until| now >= until) {
                member.proxy.unstall();
                member.stalled_until = None;
            }
            if member.paused_until.is_some_and(|until| now >= until) {
                member.resume();
            }
            if let Some(process) = &mut member.process
                && let Some(status) = process.try_wait()
            {
                // One that finds no database when it starts says so and ends, and is started again.
                if status.code() != Some(1) {
                    self.violations.push(format!("worker {number} ended by itself: {status}"));
                }
                member.process = None;
                member.due = now + Duration::from_millis(300);
            }
            if member.process.is_none() && now >= member.due {
                let mut command = queue.command(&self.binary, member.proxy.url());
                if std::env::var_os("RUST_LOG").is_none() {
                    // Most of them start without a database now and then, and say so.
                    command.stderr(Stdio::null());
                }
                member.process = Some(Process::start(&mut command));
                self.starts += 1;
            }
        }
    }

    /// Everything works again. What is half open stays so; a worker that is still starting begins anew, for its start
    /// may wait half a minute for an answer that was lost.
    pub(super) async fn heal(&mut self, queue: &Queue) {
        let up = self.up(queue).await;
        for member in &mut self.workers {
            member.proxy.set(Fault::None);
            member.cut_off_until = None;
            member.proxy.unstall();
            (member.to_stall, member.stalled_until) = (None, None);
            member.resume();
            member.due = Instant::now();
            member.process.take_if(|process| !up.contains(&process.id()));
        }
    }

    /// The processes that have a running worker.
    async fn up(&self, queue: &Queue) -> Vec<u32> {
        let up: Vec<i32> = sqlx::query_scalar("SELECT process FROM far_side.tb_process")
            .fetch_all(queue.pool())
            .await
            .expect("PostgreSQL is up");
        up.into_iter().filter_map(|process| u32::try_from(process).ok()).collect()
    }

    /// Stops all of them as an operator does. One that is still starting knows no signals, so it is waited for.
    pub(super) async fn stop(&mut self, queue: &Queue) {
        eventually("all workers are up", async || {
            self.tend(queue);
            let up = self.up(queue).await;
            self.workers.iter().all(|member| member.process.as_ref().is_some_and(|process| up.contains(&process.id())))
        })
        .await;
        for (number, member) in self.workers.iter_mut().enumerate() {
            let Some(process) = &mut member.process else { continue };
            process.signal(Signal::TERM);
            let mut status = None;
            eventually("a worker stops when it is told to", async || {
                status = process.try_wait();
                status.is_some()
            })
            .await;
            if !status.is_some_and(|status| status.success()) {
                self.violations.push(format!("worker {number} did not stop cleanly: {status:?}"));
            }
        }
    }
}

impl Member {
    fn resume(&mut self) {
        if self.paused_until.take().is_some()
            && let Some(process) = &mut self.process
            && !process.has_ended()
        {
            process.signal(Signal::CONT);
        }
    }
}
