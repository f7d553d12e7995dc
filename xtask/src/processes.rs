//! Shell. The processes of a measurement: started, looked at, and ended whatever happens.

mod stat;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::wait::end_of;

/// How long a process may take to end in order.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// A process that ends with this value, and with this program.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in a directory of its own name, where its output goes too.
    pub(crate) fn start(
        name: &str,
        parent: &Path,
        program: &Path,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        let directory = parent.join(name);
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let log = directory.join("log");
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments);
        command.current_dir(&directory).stdin(Stdio::null());
        command.stdout(output.try_clone().context("cannot share the log")?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until the condition holds; fails if the process ends before, or it takes too long.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while !holds(self) {
            let log = end_of(Some(&self.log));
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before {what}{log}", self.name);
            }
            let waited = began.elapsed();
            ensure!(waited < within, "{}: no {what} in {} s{log}", self.name, within.as_secs());
            sleep(BETWEEN_LOOKS * 4);
        }
        Ok(())
    }

    /// Waits until it has ended well.
    pub(crate) fn wait_for_success(&mut self, within: Duration) -> anyhow::Result<()> {
        ensure!(self.ended_within(within), "{} did not end in {} s", self.name, within.as_secs());
        let status = self.child.wait()?;
        ensure!(status.success(), "{}: {status}{}", self.name, end_of(Some(&self.log)));
        Ok(())
    }

    fn ended_within(&mut self, within: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < within {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            sleep(BETWEEN_LOOKS);
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.id()).ok().and_then(Pid::from_raw)
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _ = kill_process(pid, Signal::TERM);
        }
        if !self.ended_within(ENDS_WITHIN) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Ports that were free a moment ago.
pub(crate) fn free_ports(n: usize) -> anyhow::Result<Vec<u16>> {
    let listeners = (0..n).map(|_| TcpListener::bind(("127.0.0.1", 0)));
    let listeners: Vec<TcpListener> =
        listeners.collect::<Result<_, _>>().context("no free port on 127.0.0.1")?;
    let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port()));
    ports.collect()
}

/// A command that has succeeded.
pub(crate) struct Ended {
    /// What it has printed.
    pub(crate) printed: String,
    /// Its processor time, up to a moment before its end.
    pub(crate) cpu_seconds: f64,
}

/// Runs a command to its end and returns what it printed; ends it if it takes longer.
pub(crate) fn output_of(command: &mut Command, within: Duration) -> anyhow::Result<String> {
    Ok(run(command, within)?.printed)
}

/// The same, with its cost.
pub(crate) fn run(command: &mut Command, within: Duration) -> anyhow::Result<Ended> {
    let mut printed = tempfile::tempfile().context("no temporary file")?;
    let mut said = tempfile::tempfile().context("no temporary file")?;
    let child = command.stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(said.try_clone()?);
    let mut child = child.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let (began, mut cpu_seconds) = (Instant::now(), 0.0);
    let status = loop {
        if let Some(stat) = stat_of(child.id()) {
            cpu_seconds = stat.cpu_seconds;
        }
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < within => sleep(BETWEEN_LOOKS),
            other => {
                let _ = child.kill();
                let _ = child.wait();
                other.context("cannot wait for it")?;
                bail!("{command:?} did not end in {} s", within.as_secs());
            }
        }
    };
    let (printed, said) = (text_of(&mut printed)?, text_of(&mut said)?);
    ensure!(status.success(), "{command:?}: {status}: {} {}", printed.trim(), said.trim());
    Ok(Ended { printed, cpu_seconds })
}

fn text_of(file: &mut File) -> anyhow::Result<String> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The children of a process whose first argument is that word.
pub(crate) fn children_of(parent: u32, word: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let argument = line.split(|byte| *byte == 0).nth(1);
        stat_of(*pid).is_some_and(|stat| stat.parent == parent) && argument == Some(word.as_bytes())
    };
    pids.filter(is_child).collect()
}

/// Seconds of processor time that these processes have used; an error if one of them has ended.
pub(crate) fn cpu_seconds(pids: &[u32]) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for pid in pids {
        sum += stat_of(*pid).with_context(|| format!("process {pid} has ended"))?.cpu_seconds;
    }
    Ok(sum)
}

/// Pins every thread of the processes.
pub(crate) fn pin(pids: &[u32], processors: &str) -> anyhow::Result<()> {
    for pid in pids {
        let mut command = Command::new("taskset");
        command.args(["--all-tasks", "--cpu-list", "--pid", processors, &pid.to_string()]);
        output_of(&mut command, ENDS_WITHIN)?;
    }
    Ok(())
}

fn stat_of(pid: u32) -> Option<stat::Stat> {
    stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}
