//! Shell. Keeps one child process running: starts it, says why it ended, starts it again.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use shell::clock::{Clock, SystemClock};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::backoff::Backoff;
use super::log_file::LogFile;
use crate::bars::Console;
use crate::figures;

/// How often a child's log is looked at for trouble.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The arguments for the next start; asked before each one, since ports may have changed.
pub(super) type Arguments = Box<dyn FnMut() -> anyhow::Result<Vec<OsString>> + Send>;

/// A child process that is kept running until it is stopped.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts keeping. Must be called inside a runtime.
    pub(super) fn start(
        name: &str,
        log: &Path,
        arguments: Arguments,
        console: Console,
    ) -> anyhow::Result<Self> {
        let log = LogFile::open(log).with_context(|| format!("open the log {}", log.display()))?;
        let (stop, stopped) = oneshot::channel();
        let kept = Kept { name: name.to_owned(), log, arguments, console };
        Ok(Self { stop, task: tokio::spawn(kept.run(stopped)) })
    }

    /// Asks the process to end, and ends it when it has not done so within the grace.
    pub(super) async fn stop(self, grace: Duration) {
        let _ = self.stop.send(grace);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task that kept a process has failed");
        }
    }
}

struct Kept {
    name: String,
    log: LogFile,
    arguments: Arguments,
    console: Console,
}

impl Kept {
    async fn run(mut self, mut stop: oneshot::Receiver<Duration>) {
        let clock = SystemClock::new();
        let mut backoff = Backoff::default();
        loop {
            let began = clock.monotonic();
            let end = match self.spawn() {
                Ok((mut child, _stdin)) => match self.watch(&mut child, &mut stop).await {
                    Ended::Asked(grace) => return self.end(&mut child, grace).await,
                    Ended::ByItself(end) => end,
                },
                Err(error) => format!("could not be started: {error:#}"),
            };
            let wait = backoff.next(clock.monotonic().saturating_sub(began));
            self.show_trouble();
            self.console.say(&format!(
                "{} {end}; starting it again in {}; its log is {}",
                self.name,
                figures::duration(wait),
                self.log.path().display()
            ));
            tokio::select! {
                () = sleep(wait) => {}
                _ = &mut stop => return,
            }
        }
    }

    /// Starts the process. Its standard input must be held for as long as it shall run.
    fn spawn(&mut self) -> anyhow::Result<(Child, ChildStdin)> {
        let arguments = (self.arguments)()?;
        let program = std::env::current_exe().context("find this program")?;
        let mut child = Command::new(program)
            .args(arguments)
            // The child ends when this pipe does, so it never outlives its supervisor.
            .stdin(Stdio::piped())
            .stdout(self.log.writer().context("open its log")?)
            .stderr(self.log.writer().context("open its log")?)
            // A group of its own: Ctrl-C reaches the supervisor alone, which stops all in order.
            .process_group(0)
            .spawn()
            .context("start the process")?;
        let stdin = child.stdin.take().context("hold its standard input")?;
        Ok((child, stdin))
    }

    async fn watch(&mut self, child: &mut Child, stop: &mut oneshot::Receiver<Duration>) -> Ended {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                grace = &mut *stop => return Ended::Asked(grace.unwrap_or_default()),
                status = child.wait() => return Ended::ByItself(describe(status)),
                _ = looks.tick() => self.show_trouble(),
            }
        }
    }

    async fn end(mut self, child: &mut Child, grace: Duration) {
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, Signal::TERM)
        {
            tracing::warn!(name = self.name, %error, "cannot ask the process to end");
        }
        let wait = timeout(grace, child.wait()).await;
        self.show_trouble();
        if wait.is_err() {
            self.console.say(&format!(
                "{} has not ended within {}; killing it",
                self.name,
                figures::duration(grace)
            ));
            if let Err(error) = child.kill().await {
                self.console.say(&format!("{} cannot be killed: {error}", self.name));
            }
        }
    }

    fn show_trouble(&mut self) {
        match self.log.look() {
            Ok(lines) => {
                for line in lines {
                    self.console.say(&format!("{}: {line}", self.name));
                }
            }
            Err(error) => tracing::debug!(name = self.name, %error, "cannot read the log"),
        }
    }
}

enum Ended {
    Asked(Duration),
    ByItself(String),
}

fn describe(status: io::Result<ExitStatus>) -> String {
    let status = match status {
        Ok(status) => status,
        Err(error) => return format!("is lost: {error}"),
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code} ({})", shell::exit::meaning(code)),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".into(),
    }
}
