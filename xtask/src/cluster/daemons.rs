//! Shell. Starts the cluster's processes in the background, writes down which they are, and ends
//! them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use super::layout::Layout;
use super::programs::Program;
use super::records::{Record, is_shim_of, parse_records, start_of};
use super::wait::{self, Look};

const END_WITHIN: Duration = Duration::from_secs(20);

/// Starts a program and writes it down.
pub(crate) fn start(layout: &Layout, program: &Program) -> anyhow::Result<()> {
    let path = layout.log(&program.name);
    let log = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    // A session of its own, so that no signal of a terminal reaches it. Both programs in front
    // become the next one and keep the process id.
    let mut command = Command::new("setsid");
    if let Some(node) = program.node {
        // Not `ip netns exec`: that mounts a /sys in which the cgroups are missing.
        command.arg("nsenter").arg(format!("--net=/run/netns/{}", node.namespace()));
    }
    let child = command
        .arg(&program.binary)
        .args(&program.arguments)
        .current_dir(&layout.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.name))?;
    let pid = i32::try_from(child.id()).context("a process id out of range")?;
    let started = started(pid).with_context(|| format!("{} ended at once", program.name))?;
    let record = Record { name: program.name.clone(), pid, started };
    let mut records = OpenOptions::new().create(true).append(true).open(records_path(layout))?;
    records.write_all(record.line().as_bytes()).context("cannot write down the process")
}

/// The processes that were started.
pub(crate) fn records(layout: &Layout) -> Vec<Record> {
    parse_records(&fs::read_to_string(records_path(layout)).unwrap_or_default())
}

/// Whether the very process still runs.
pub(crate) fn is_alive(record: &Record) -> bool {
    started(record.pid) == Some(record.started)
}

/// Ends these processes at once; there is nothing that they would have to save.
pub(crate) fn end(records: &[Record]) -> anyhow::Result<()> {
    for record in records.iter().filter(|record| is_alive(record)) {
        kill(record.pid)?;
    }
    wait::until("the end of processes", END_WITHIN, None, || {
        let alive = records.iter().find(|record| is_alive(record));
        Ok(alive.map_or(Look::Found(()), |record| Look::NotYet(record.name.clone())))
    })
}

/// Ends the shims of the containerd at the socket, which outlive it.
pub(crate) fn end_shims(socket: &Path) -> anyhow::Result<()> {
    wait::until("the end of containerd's shims", END_WITHIN, None, || {
        let shims = shims_of(socket);
        for pid in &shims {
            kill(*pid)?;
        }
        Ok(Look::is(shims.is_empty(), "some are left"))
    })
}

/// Ends a process; one that has ended by itself is as good.
pub(crate) fn kill(pid: i32) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid).context("not a process id")?;
    match kill_process(pid, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).context("cannot end a process"),
    }
}

fn shims_of(socket: &Path) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_shim = |pid: &i32| {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        is_shim_of(&command_line, socket)
    };
    pids.filter(is_shim).collect()
}

fn started(pid: i32) -> Option<u64> {
    start_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn records_path(layout: &Layout) -> PathBuf {
    layout.path("processes")
}
