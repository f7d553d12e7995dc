//! Shell. When to stop: SIGTERM, SIGINT, or (for a child process) the end of standard input.

use std::io::{self, Read};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// What asked the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// SIGTERM.
    Terminate,
    /// SIGINT, as by Ctrl-C.
    Interrupt,
    /// Standard input ended: the parent process is gone.
    ParentGone,
}

/// Waits until the process is asked to stop. With `stdin_too` the end of standard input counts as
/// well, so that a child never outlives a parent that was killed.
///
/// # Errors
/// Where the operating system lets no handler be installed.
pub async fn shutdown(stdin_too: bool) -> io::Result<Reason> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (ended, end) = oneshot::channel();
    if stdin_too {
        // A thread of its own: a read of standard input can be neither polled nor interrupted.
        std::thread::Builder::new().name("stdin".into()).spawn(move || {
            read_to_end(io::stdin().lock());
            let _ = ended.send(());
        })?;
    }
    Ok(tokio::select! {
        _ = terminate.recv() => Reason::Terminate,
        _ = interrupt.recv() => Reason::Interrupt,
        _ = end, if stdin_too => Reason::ParentGone,
    })
}

/// Reads and forgets until the input ends or fails.
pub(crate) fn read_to_end(mut input: impl Read) {
    let mut buffer = [0; 64];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
