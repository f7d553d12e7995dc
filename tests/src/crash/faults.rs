//! Shell. A fixed workload, of which each time one other system call fails. The server has to end,
//! and after a start without faults everything that it acknowledged has to be there.
//!
//! The calls are made to fail by strace. It counts by thread, so a call is named by what it does to
//! which file, and its number among these in its thread. What the first thread does at a start is
//! counted without files, because some of them have names that nobody can foresee.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};

use super::Outcome;
use super::book::Found;
use super::progress::Progress;
use super::solo::{Seen, Solo};
use super::trace::{self, Call, Kind};
use super::tree::Tree;
use crate::random::Random;

/// Calls that change what is on disk, and those by which files are opened.
const CALLS: &str = "write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,fallocate,openat,\
                     rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat";
/// Writes of the script before and after the decision in the middle.
const WRITES: u32 = 20;
/// Writes before, on a directory that was used: enough for its journal to be longer than every
/// other file, so that a limit on the length of files meets the journal alone.
const USED_WRITES: u32 = 300;
/// Within so many bytes beyond the end of the journal a write is cut short. The workload writes
/// more than that.
const SHORT_WITHIN: u32 = 8_000;
/// For so many failing calls one write is cut short.
const CALLS_A_SHORT_WRITE: usize = 4;
/// What must always end the process: nobody knows then what is on disk.
const DECISIVE: [&str; 9] = [
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
];
/// Files whose failures may pass: the server does without, or tries again in time.
const TOLERATED: [(&str, &str); 3] = [
    // The limit of versions is moved ahead long before it is needed, and again if that failed; at
    // the end of the process it need not be moved back.
    ("clock.new", "the clock's limit"),
    // The engine tidies the list of its keyspaces after it has made one: what it could not tidy
    // stays as it was.
    ("/keyspaces/0/", "the engine's tidying"),
    // Whoever cannot remove what nobody needs any more removes it at the next start.
    ("unlink", "removal of an old file"),
];

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where the choices begin.
    pub seed: u64,
    /// How many of the failures are tried, chosen by chance; all of them where it is `None`.
    pub sample: Option<usize>,
}

/// What happened and what was found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Failures that there are, and that were tried.
    pub known: usize,
    /// See [`Summary::known`].
    pub tried: usize,
    /// By call: how often it was made to fail.
    pub injected: BTreeMap<String, u32>,
    /// Failures that came to nothing: another failure of the same number came first, or the call
    /// was not made this time.
    pub not_met: u32,
    /// How often the server ended, and how often it went on, by the reason why it may.
    pub ended: u32,
    /// Writes that were cut short at a byte chosen by chance, after which it ended.
    pub short_writes: u32,
    /// See [`Summary::ended`].
    pub went_on: BTreeMap<String, u32>,
    /// What was found of what the clients were told.
    pub found: Found,
    /// How long all of it took.
    pub took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = |map: &BTreeMap<String, u32>| {
            let counts = map.iter().map(|(name, count)| format!("{name} {count}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        write!(
            f,
            "{} of {} failures tried ({} not met): {}; ended {}, went on: {}; {} writes cut short, \
             ended after each; {} acknowledged writes there, 0 lost, {} unanswered applied, {} \
             not; {:.1} s",
            self.tried,
            self.known,
            self.not_met,
            counts(&self.injected),
            self.ended,
            counts(&self.went_on),
            self.short_writes,
            self.found.kept,
            self.found.applied,
            self.found.not_applied,
            self.took.as_secs_f64()
        )
    }
}

/// One failure.
#[derive(Clone, Debug)]
struct Fault {
    /// Whether on a new directory, or on one that was used before.
    is_creation: bool,
    kind: Kind,
    number: u32,
    error: &'static str,
}

/// Runs the sweep in a directory.
///
/// # Errors
/// What was lost, or a server that went on.
pub async fn run(
    plan: Plan,
    directory: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Outcome<Summary>> {
    if let Err(error) = Command::new("strace").arg("--version").output() {
        return Ok(Outcome::Skipped(format!("strace: {error}")));
    }
    let began = Instant::now();
    let mut sweep = Sweep::new(directory).await?;
    let mut faults = sweep.known_faults().await?;
    let mut summary = Summary { known: faults.len(), ..Summary::default() };
    let mut random = Random::new(plan.seed);
    while plan.sample.is_some_and(|sample| faults.len() > sample) {
        let index = random.below(u32::try_from(faults.len())?);
        faults.swap_remove(index as usize);
    }
    for fault in faults {
        let tried = sweep.try_fault(&fault, &mut summary).await;
        tried.with_context(|| format!("{fault:?}, {plan:?}"))?;
        summary.tried += 1;
        summary.took = began.elapsed();
        progress.tell(|| format!("failing calls: {summary}"));
    }
    for _ in 0..summary.tried.div_ceil(CALLS_A_SHORT_WRITE) {
        let beyond = 1 + random.below(SHORT_WITHIN);
        let tried = sweep.try_short_write(beyond, &mut summary).await;
        tried.with_context(|| format!("a write cut short {beyond} bytes on, {plan:?}"))?;
        summary.took = began.elapsed();
        progress.tell(|| format!("short writes: {summary}"));
    }
    Ok(Outcome::Done(summary))
}

struct Sweep {
    directory: PathBuf,
    /// A directory that was used before.
    used: Tree,
    template: Solo,
}

impl Sweep {
    async fn new(directory: &Path) -> anyhow::Result<Self> {
        let data = directory.join("data");
        let mut template = Solo::prepare(directory, &data).await?;
        template.create().await?;
        ensure!(template.write(USED_WRITES).await?, "the template does not take writes");
        template.server.kill()?;
        Ok(Self { directory: directory.to_owned(), used: Tree::read(&data)?, template })
    }

    /// Every failure, by the calls of a run without any.
    async fn known_faults(&mut self) -> anyhow::Result<Vec<Fault>> {
        let mut faults = Vec::new();
        for is_creation in [true, false] {
            let (mut solo, _) = self.prepare(is_creation).await?;
            let calls = self.run_traced(&mut solo, is_creation, Vec::new()).await?;
            ensure!(!calls.is_empty(), "strace traced nothing");
            let mut add = |kind: &Kind, number| {
                let error = if number % 2 == 0 { "ENOSPC" } else { "EIO" };
                faults.push(Fault { is_creation, kind: kind.clone(), number, error });
            };
            for (kind, numbers) in trace::of_first_thread(&calls) {
                numbers.into_iter().for_each(|number| add(&kind, number));
            }
            for (kind, count) in trace::by_file(&calls) {
                (1..=count).for_each(|number| add(&kind, number));
            }
        }
        Ok(faults)
    }

    /// A server on a new directory or one that was used before.
    async fn prepare(&self, is_creation: bool) -> anyhow::Result<(Solo, PathBuf)> {
        let data = self.directory.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let mut solo = Solo::prepare(&self.directory, &data).await?;
        if !is_creation {
            self.used.write(&data)?;
            solo.go_on_from(&self.template)?;
        }
        Ok((solo, data))
    }

    /// Runs the workload to its end, or to the end of the server.
    async fn run_traced(
        &self,
        solo: &mut Solo,
        is_creation: bool,
        options: Vec<String>,
    ) -> anyhow::Result<Vec<Call>> {
        let log = self.directory.join("trace");
        let mut wrapper: Vec<String> =
            ["strace", "-f", "-qq", "-y", "-s", "0", "--seccomp-bpf", "-e"].map(Into::into).into();
        wrapper.push(format!("trace={CALLS}"));
        wrapper.push("-o".to_owned());
        wrapper.push(log.display().to_string());
        wrapper.extend(options);
        solo.server.wrap(wrapper);
        work(solo, is_creation).await?;
        solo.server.wrap(Vec::new());
        let data = solo.server.data().display().to_string();
        Ok(trace::parse(&fs::read_to_string(&log)?, &data))
    }

    async fn try_fault(&mut self, fault: &Fault, summary: &mut Summary) -> anyhow::Result<()> {
        let (mut solo, data) = self.prepare(fault.is_creation).await?;
        let Kind { name, file } = &fault.kind;
        let inject = format!("inject={name}:error={}:when={}", fault.error, fault.number);
        let mut options = vec!["-e".to_owned(), inject];
        if let Some(file) = file {
            options.extend(["-P".to_owned(), data.join(file).display().to_string()]);
        }
        let calls = self.run_traced(&mut solo, fault.is_creation, options).await?;
        let met: Vec<&Call> = calls.iter().filter(|call| call.is_injected).collect();
        let status = solo.status.context("it did not end")?;
        let Some(first) = met.first() else {
            summary.not_met += 1;
            ensure!(status.success(), "no call failed, and it ended with {status}");
            return self.require_kept(&mut solo, summary).await;
        };
        *summary.injected.entry(name.clone()).or_default() += 1;
        if status.success() {
            let why = reason_to_go_on(first).ok_or_else(|| {
                anyhow!("it went on after {first:?} failed:\n{}", solo.server.output())
            })?;
            *summary.went_on.entry(why.to_owned()).or_default() += 1;
        } else {
            summary.ended += 1;
        }
        self.require_kept(&mut solo, summary).await
    }

    /// Files cannot grow beyond a byte: the write that would is cut short there, the rest of it
    /// fails. The signal that comes with it is ignored, as it is not ours.
    async fn try_short_write(&mut self, beyond: u32, summary: &mut Summary) -> anyhow::Result<()> {
        let mut journals = self.used.files().iter().filter(|(path, _)| path.ends_with("0.jnl"));
        let (_, journal) = journals.next().context("no journal")?;
        let limit = u64::try_from(journal.bytes.len())? + u64::from(beyond);
        let (mut solo, _) = self.prepare(false).await?;
        let wrapper = ["env", "--ignore-signal=XFSZ", "prlimit"].map(ToOwned::to_owned);
        solo.server.wrap([&wrapper[..], &[format!("--fsize={limit}")]].concat());
        work(&mut solo, false).await?;
        solo.server.wrap(Vec::new());
        let status = solo.status.context("it did not end")?;
        ensure!(!status.success(), "it went on:\n{}", solo.server.output());
        summary.short_writes += 1;
        self.require_kept(&mut solo, summary).await
    }

    /// After a start without faults everything that was acknowledged is there.
    async fn require_kept(&self, solo: &mut Solo, summary: &mut Summary) -> anyhow::Result<()> {
        solo.server.start()?;
        if solo.is_created {
            solo.server.wait_serves().await?;
        } else {
            solo.coordinator.bootstrap(&mut [&mut solo.server]).await?;
        }
        let seen = solo.read().await?.context("it ends while it is read")?;
        let mut states = BTreeMap::new();
        for (key, seen) in seen {
            match seen {
                Seen::State(state) => drop(states.insert(key, state)),
                Seen::Error(text) => anyhow::bail!("{key}: {text}"),
            }
        }
        let found = solo.book.check(&states, &[]).map_err(|error| anyhow!(error))?;
        summary.found.add(found);
        ensure!(solo.write(2).await?, "it takes no writes any more");
        solo.server.kill()
    }
}

/// The workload: a start, the first ring on a new directory, writes, a decision, writes, an end.
async fn work(solo: &mut Solo, is_creation: bool) -> anyhow::Result<()> {
    solo.server.start()?;
    let goes_on = if is_creation {
        let made = solo.coordinator.bootstrap(&mut [&mut solo.server]).await;
        solo.is_created = made.is_ok();
        made.is_ok()
    } else {
        solo.server.serves_or_ends().await?.is_ok()
    };
    if goes_on && solo.write(WRITES).await? {
        // Where a decision cannot be made durable the server ends, and the answer with it.
        if solo.coordinator.next_ring(&[&solo.server]).await.is_ok() {
            solo.write(WRITES).await?;
        }
    }
    solo.status = Some(solo.server.stop_wrapped().await?);
    Ok(())
}

fn reason_to_go_on(call: &Call) -> Option<&'static str> {
    // A directory is meant with what is in it.
    let file = format!("/{}/", call.file.as_deref().unwrap_or_default());
    let tolerated = TOLERATED.iter().find(|(what, _)| file.contains(what) || call.name == *what);
    let not_decisive = (!DECISIVE.contains(&call.name.as_str())).then_some("not decisive");
    tolerated.map(|(_, why)| *why).or(not_decisive)
}
