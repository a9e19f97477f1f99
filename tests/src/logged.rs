//! What a test, and everything that it starts on its own thread, has logged.

use std::{cell::RefCell, io::Write, sync::Once};

thread_local! {
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(text))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps what each thread logs, from now on, and forgets what this one has logged. For all threads: what is logged by one
/// that has no subscriber may turn the same line off for others.
pub fn keep() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init());
    LOGGED.take();
}

/// What this thread has logged since it was asked last.
#[must_use]
pub fn take() -> String {
    String::from_utf8_lossy(&LOGGED.take()).into_owned()
}
