//! Shell. The processes of a cluster, found in /proc, so that no test has to believe what the
//! cluster says about itself.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait;

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at whether one stands still.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A process that the supervisor started.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub id: u32,
    arguments: Vec<String>,
}

impl Process {
    /// Whether it has this role and, unless empty, this name.
    pub(crate) fn is(&self, role: &str, name: &str) -> bool {
        let mut arguments = self.arguments.iter().skip(1);
        arguments.next().is_some_and(|first| first == role)
            && (name.is_empty() || self.option("--name").as_deref() == Some(name))
    }

    /// The value of an option, as `--name value` or `--name=value`.
    pub(crate) fn option(&self, name: &str) -> Option<String> {
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(name) {
                Some("") => return arguments.next().cloned(),
                Some(value) if value.starts_with('=') => return Some(value[1..].to_owned()),
                _ => {}
            }
        }
        None
    }

    /// Ends it without notice.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        send(self.id, Signal::KILL)
    }

    /// Whether it still runs: a process that has ended and whose parent has not looked is gone.
    fn is_alive(&self) -> bool {
        state_of(Path::new(&format!("/proc/{}", self.id))).is_some_and(|state| state != 'Z')
    }
}

/// Waits until none of the processes runs any more.
///
/// # Errors
/// One of them does not end.
pub async fn wait_gone(processes: &[Process]) -> anyhow::Result<()> {
    wait::until("the processes of the cluster end", GONE_WITHIN, || async move {
        let alive: Vec<u32> = processes.iter().filter(|p| p.is_alive()).map(|p| p.id).collect();
        if alive.is_empty() { Ok(()) } else { Err(alive) }
    })
    .await
}

/// The processes that a process started. Looks through /proc.
#[must_use]
pub fn children_of(parent: u32) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent))
        .map(|id| {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let arguments = line.split(|byte| *byte == 0);
            let arguments = arguments.map(|word| String::from_utf8_lossy(word).into_owned());
            Process { id, arguments: arguments.filter(|word| !word.is_empty()).collect() }
        })
        .collect()
}

/// What proc(5) says that a process or a thread does: a letter.
fn state_of(directory: &Path) -> Option<char> {
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Whether no thread of a stopped process executes anything of its own any more; some may still
/// wait in the kernel for a device.
fn stands_still(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let mut states = threads.map(|thread| state_of(&thread.path()));
    states.all(|state| state.is_none_or(|state| matches!(state, 'T' | 't' | 'D' | 'Z' | 'X')))
}

/// The number of a socket, as the kernel has it.
pub(crate) type SocketNumber = u64;

/// The port on which a process listens, where it is one.
pub(crate) fn listening_port(id: u32) -> Option<u16> {
    let own = sockets_of(id);
    let table = fs::read_to_string(SOCKETS).unwrap_or_default();
    // Of these many lines only those of listeners have a remote port of 0.
    let mut listening = table.lines().filter(|line| line.contains(":0000 "));
    listening.find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number: SocketNumber = words.get(9)?.parse().ok()?;
        let port = words.get(1)?.rsplit(':').next()?;
        own.contains(&number).then(|| u16::from_str_radix(port, 16).ok()).flatten()
    })
}

/// Whether a process has this socket.
pub(crate) fn has_socket(id: u32, number: SocketNumber) -> bool {
    sockets_of(id).contains(&number)
}

fn sockets_of(id: u32) -> Vec<SocketNumber> {
    let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

/// Every TCP socket of this machine, a line each.
const SOCKETS: &str = "/proc/net/tcp";

fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

/// Sends what Ctrl-C sends.
///
/// # Errors
/// There is no such process.
pub fn interrupt(id: u32) -> anyhow::Result<()> {
    send(id, Signal::INT)
}

/// Sends a signal to a process.
pub(crate) fn send(id: u32, signal: Signal) -> anyhow::Result<()> {
    kill_process(pid(id)?, signal).with_context(|| format!("cannot send {signal:?} to {id}"))
}

/// Stops a process (SIGSTOP), and waits until it stands still.
///
/// # Errors
/// There is none, or it does not stop.
pub fn freeze(id: u32) -> anyhow::Result<()> {
    send(id, Signal::STOP)?;
    let deadline = Instant::now() + GONE_WITHIN;
    while !stands_still(id) {
        ensure!(Instant::now() < deadline, "process {id} does not stop");
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Has a frozen process go on (SIGCONT).
///
/// # Errors
/// There is none.
pub fn go_on(id: u32) -> anyhow::Result<()> {
    send(id, Signal::CONT)
}

/// Sends a signal to every process of a group.
pub(crate) fn send_to_group(id: u32, signal: Signal) -> anyhow::Result<()> {
    kill_process_group(pid(id)?, signal).with_context(|| format!("cannot send {signal:?} to {id}"))
}

fn pid(id: u32) -> anyhow::Result<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw).context("no such process id")
}
