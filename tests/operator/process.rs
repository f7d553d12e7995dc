//! Shell. The process of an operator: started, killed without notice, started again, as a node
//! does with a container that ends.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is looked whether it still runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How an operator is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) binary: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) log: PathBuf,
}

/// An operator that is started again whenever it ends.
pub(crate) struct Operator {
    start: Start,
    child: Mutex<Option<Child>>,
    /// How often it was started.
    starts: watch::Sender<u32>,
}

impl Operator {
    pub(crate) fn new(start: Start) -> Arc<Self> {
        Arc::new(Self { start, child: Mutex::default(), starts: watch::Sender::new(0) })
    }

    /// Starts it, now and whenever it has ended, until the task is aborted.
    pub(crate) fn keep_running(self: &Arc<Self>) -> JoinHandle<()> {
        let operator = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                if let Err(error) = operator.run_on() {
                    println!("{error:#}");
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }

    /// Kills it without notice. It is started again soon, if it is kept running.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How often it was started; whoever serves an earlier one notices by this.
    pub(crate) fn starts(&self) -> watch::Receiver<u32> {
        self.starts.subscribe()
    }

    /// Where what it logs is.
    pub(crate) fn log(&self) -> &PathBuf {
        &self.start.log
    }

    fn run_on(&self) -> anyhow::Result<()> {
        let mut child = self.child();
        let runs = match child.as_mut() {
            Some(child) => child.try_wait().context("look at the operator")?.is_none(),
            None => false,
        };
        if !runs {
            *child = Some(self.launch()?);
            self.starts.send_modify(|starts| *starts += 1);
        }
        Ok(())
    }

    fn launch(&self) -> anyhow::Result<Child> {
        let log: File = OpenOptions::new().create(true).append(true).open(&self.start.log)?;
        Command::new(&self.start.binary)
            .args(&self.start.arguments)
            .env("KUBECONFIG", &self.start.kubeconfig)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.start.binary.display()))
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}
