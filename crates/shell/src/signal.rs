//! Shell. When to stop: SIGTERM, SIGINT, or (for a child process) the end of standard input.

use std::io::{self, Read};

use tokio::signal::unix::{Signal, SignalKind, signal};
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
    Ok(Shutdown::listen(stdin_too)?.asked().await)
}

/// Hears each time that the process is asked to stop.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
    /// Told once.
    stdin_ended: Option<oneshot::Receiver<()>>,
}

impl Shutdown {
    /// As [`shutdown`].
    ///
    /// # Errors
    /// Where the operating system lets no handler be installed.
    pub fn listen(stdin_too: bool) -> io::Result<Self> {
        let (ended, end) = oneshot::channel();
        if stdin_too {
            // A thread of its own: a read of standard input can be neither polled nor interrupted.
            std::thread::Builder::new().name("stdin".into()).spawn(move || {
                read_to_end(io::stdin().lock());
                let _ = ended.send(());
            })?;
        }
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stdin_ended: stdin_too.then_some(end),
        })
    }

    /// Waits until it is asked, or asked again.
    pub async fn asked(&mut self) -> Reason {
        let stdin_ended = self.stdin_ended.as_mut();
        let parent_gone = async {
            match stdin_ended {
                Some(end) => drop(end.await),
                None => std::future::pending().await,
            }
        };
        let reason = tokio::select! {
            _ = self.terminate.recv() => Reason::Terminate,
            _ = self.interrupt.recv() => Reason::Interrupt,
            () = parent_gone => Reason::ParentGone,
        };
        if reason == Reason::ParentGone {
            self.stdin_ended = None;
        }
        reason
    }
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
