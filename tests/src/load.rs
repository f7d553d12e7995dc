//! Shell. A load that runs inside a Kubernetes cluster and judges itself at the end.
//!
//! Its history is bounded: the clients keep a pace, so that a run of the asked length has no more
//! than [`OPERATIONS_MAX`] operations (40 bytes each), however fast the cluster is.

mod report;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tokio::signal::unix::{SignalKind, signal};

pub use report::{KeyError, KindErrors, Report};

use crate::ledger::Ledger;
use crate::resp::Client;
use crate::wait;
use crate::workload::{
    Access, OPERATIONS_A_ROUND, Plan, Progress, Workload, read_all_with, write_all_with,
};

/// The most operations of one run, apart from the first write and the last read of each key.
pub const OPERATIONS_MAX: u64 = 2_000_000;
/// How long the cluster may take to answer at the start, and to answer for every key at the end.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// How often a line is printed.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// The line that is printed when every key is written and the clients begin.
pub const WORKING: &str = "working";

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` of the router.
    pub target: String,
    /// The password, where one is asked for.
    pub password: Option<String>,
    /// How long; SIGTERM ends it earlier.
    pub seconds: u64,
    /// Operations in a second, of all clients together.
    pub rate: u32,
    /// Keys, clients, values.
    pub plan: Plan,
}

impl Options {
    fn access(&self) -> anyhow::Result<Access> {
        let operations = self.seconds.saturating_mul(u64::from(self.rate));
        ensure!(
            operations <= OPERATIONS_MAX,
            "{} seconds of {} operations each are {operations}; the history has room for \
             {OPERATIONS_MAX}: give a smaller --rate or --seconds",
            self.seconds,
            self.rate
        );
        ensure!(self.rate > 0 && self.plan.clients > 0, "--rate and --clients are at least 1");
        let rounds = f64::from(OPERATIONS_A_ROUND) * f64::from(self.plan.clients);
        let pace = Some(Duration::from_secs_f64(rounds / f64::from(self.rate)));
        Ok(Access { address: self.target.clone(), password: self.password.clone(), pace })
    }
}

/// Writes every key, lets the clients work until the time is over or SIGTERM comes, reads every
/// key, and judges.
///
/// # Errors
/// The cluster did not answer at the start, or not for every key at the end.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let access = options.access()?;
    let began_ms = unix_ms();
    let mut ledger = Ledger::new();
    let mut client = connect(&access).await?;
    write_all_with(options.plan, &mut client, &mut ledger).await.context("the first writes")?;
    println!("{WORKING}: {} keys are written, {} clients", options.plan.keys, options.plan.clients);

    let workload = Workload::start_with(options.plan, &access, &ledger);
    until_over(options.seconds, workload.progress()).await?;
    workload.stop(&mut ledger).await?;

    let end = ledger.now();
    read_everything(options.plan, &access, &mut ledger).await?;
    Ok(Report::of(&ledger, end, began_ms))
}

async fn connect(access: &Access) -> anyhow::Result<Client> {
    wait::until("a connection", ANSWERS_WITHIN, || async {
        access.connect().await.map_err(|error| format!("{error:#}"))
    })
    .await
}

/// Prints the progress until the time is over or the process is asked to end.
async fn until_over(seconds: u64, progress: &Progress) -> anyhow::Result<()> {
    let stop = Rc::new(Cell::new(false));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut lines = tokio::time::interval(PROGRESS_EVERY);
    let end = tokio::time::sleep(Duration::from_secs(seconds));
    tokio::pin!(end);
    let mut operations = 0;
    while !stop.get() {
        tokio::select! {
            () = &mut end => stop.set(true),
            _ = terminate.recv() => {
                println!("asked to end");
                stop.set(true);
            }
            _ = lines.tick() => {
                let now = progress.operations.get();
                let worst = Duration::from_nanos(progress.worst.take());
                let errors = progress.errors.borrow();
                println!("{} operations, slowest {worst:.1?}, errors {errors:?}", now - operations);
                operations = now;
            }
        }
    }
    Ok(())
}

/// Reads every key, again and again until all are answered: servers may still be coming back.
async fn read_everything(plan: Plan, access: &Access, ledger: &mut Ledger) -> anyhow::Result<()> {
    let deadline = ledger.now() + u64::try_from(ANSWERS_WITHIN.as_nanos())?;
    loop {
        let result = match access.connect().await {
            Ok(mut client) => read_all_with(plan, &mut client, ledger).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => return Ok(()),
            Err(error) if ledger.now() >= deadline => {
                return Err(error.context("at the end, not every key is answered"));
            }
            Err(_) => tokio::time::sleep(PROGRESS_EVERY).await,
        }
    }
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
