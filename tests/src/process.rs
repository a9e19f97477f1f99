//! Child processes that end with their test.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

/// A child process; dropping it kills it.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it; what it prints goes to the test's own error output.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?} could not be started: {error}")))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// How it has ended by itself, where it has.
    ///
    /// # Panics
    /// When the process cannot be asked for.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be asked for")
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.try_wait().is_some()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// After a minute.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the process ends", async || self.has_ended()).await;
        self.0.wait().expect("a child can be waited for")
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(&mut self) {
        // It may have ended already: gone is what is wanted.
        let _ = self.0.kill();
        self.0.wait().expect("a child can be waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on.
///
/// # Panics
/// When the machine has none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Waits until somebody listens on the port.
///
/// # Panics
/// After 30 seconds.
pub fn wait_for_port(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(30), "nobody listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks again until the answer is yes.
///
/// # Panics
/// After 60 seconds.
pub async fn eventually(what: &str, mut question: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !question().await {
        assert!(start.elapsed() < Duration::from_secs(60), "did not happen within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
