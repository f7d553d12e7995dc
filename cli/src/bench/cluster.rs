//! Shell. Local clusters that last for one run.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use shell::rng::OsRng;
use tempfile::TempDir;

use crate::cluster_api::is_at_rest;
use crate::cluster_client::ClusterClient;
use crate::failure::Failure;
use crate::local::free_ports;
use crate::options::Durability;

/// How long a cluster may take to serve.
const READY_MAX: Duration = Duration::from_secs(120);
/// How long one may take to end before it is killed.
const END_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How much of what a cluster printed is shown where it fails.
const LINES_SHOWN: usize = 20;

/// A running cluster. Dropped, it ends, and its data is gone.
pub(super) struct Cluster {
    supervisor: Child,
    directory: TempDir,
    resp: u16,
    http: u16,
}

impl Cluster {
    /// Starts a cluster of so many servers and waits until all of it serves.
    pub(super) async fn start(
        servers: u16,
        durability: Option<Durability>,
    ) -> Result<Self, Failure> {
        let mut cluster = Self::spawn(servers, durability)?;
        let client = ClusterClient::new(&format!("http://127.0.0.1:{}", cluster.http))?;
        let ready = async {
            loop {
                if let Some(status) = cluster.ended()? {
                    return Err(cluster.failed(&format!("ended ({status})")));
                }
                if let Ok(whole) = client.status("/status?count=false").await
                    && whole.status.servers.len() == usize::from(servers)
                    && whole.status.servers.iter().all(|server| server.ready)
                    && is_at_rest(&whole.status)
                {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(READY_MAX, ready).await {
            Ok(result) => result.map(|()| cluster),
            Err(_) => Err(cluster.failed("does not serve in time")),
        }
    }

    fn spawn(servers: u16, durability: Option<Durability>) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("ringkv-bench-").tempdir();
        let directory =
            directory.context("make a temporary directory").map_err(Failure::storage)?;
        let [resp, http] = free_ports(&OsRng)?;
        let log = File::create(directory.path().join("output"))
            .context("make a file for what the cluster prints")
            .map_err(Failure::storage)?;
        let errors = log.try_clone().context("share the file").map_err(Failure::storage)?;
        let program = std::env::current_exe().context("find this program")?;
        let mut command = Command::new(program);
        command
            .arg("local")
            .arg(format!("--nodes={servers}"))
            .arg("--data")
            .arg(directory.path().join("data"))
            .arg(format!("--resp-port={resp}"))
            .arg(format!("--http-port={http}"))
            // Ctrl-C at the terminal is for this process, which ends the cluster by itself.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        if let Some(durability) = durability {
            command.arg(format!("--durability={}", durability.as_str()));
        }
        let supervisor = command.spawn().context("start a local cluster")?;
        Ok(Self { supervisor, directory, resp, http })
    }

    /// Where clients connect.
    pub(super) fn resp(&self) -> String {
        format!("127.0.0.1:{}", self.resp)
    }

    /// Ends it in order and removes its data.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        self.signal(Signal::TERM);
        let ended = async {
            loop {
                if let Some(status) = self.ended()? {
                    return Ok::<_, Failure>(status);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(END_MAX, ended).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failed(&format!("did not end well ({status})"))),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(self.failed("does not end")),
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.supervisor.try_wait().context("look after the local cluster")?)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // What has ended needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.supervisor.id().cast_signed())
    }

    fn failed(&self, what: &str) -> Failure {
        let path: PathBuf = self.directory.path().join("output");
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default();
        Failure::unavailable(format!("the local cluster {what}; it said:\n{}", last.join("\n")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let is_over = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_some());
        if is_over(&mut self.supervisor) {
            return;
        }
        self.signal(Signal::TERM);
        let mut waited = Duration::ZERO;
        while !is_over(&mut self.supervisor) && waited < END_MAX {
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
        if !is_over(&mut self.supervisor)
            && let Some(pid) = self.pid()
        {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = self.supervisor.wait();
        }
    }
}
