//! Shell. Starts `ringkv local` in a directory of its own, and kills it or parts of it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use node_api::Membership;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::network::Party;
use crate::process::{Process, children_of, send, send_to_group, wait_gone};
use crate::status::Status;
use crate::{http, wait};

/// How long a cluster may take to serve after its start.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a change of the ring may take when nothing slows it.
pub const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// Where the ports of clusters are taken from.
const PORTS: std::ops::Range<u16> = 7_100..9_900;
/// How much of the output is shown where something fails.
const OUTPUT_LINES_SHOWN: usize = 60;

/// How to start a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Servers at the first start.
    pub nodes: u16,
    /// `always` or `everysec`.
    pub durability: &'static str,
    /// More arguments, as on the command line.
    pub more: Vec<String>,
    /// What its processes find in their environment besides.
    pub environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 3, durability: "everysec", more: Vec::new(), environment: Vec::new() }
    }
}

impl Options {
    /// So many servers, else as usual.
    #[must_use]
    pub fn nodes(nodes: u16) -> Self {
        Self { nodes, ..Self::default() }
    }

    /// Bounds the rate of handoffs: low enough, a test is sure to meet one half-way. The bound
    /// stays over a restart until another one is given.
    #[must_use]
    pub fn bytes_per_second(mut self, bytes_per_second: u64) -> Self {
        self.more.push(format!("--max-bytes-per-second={bytes_per_second}"));
        self
    }
}

/// A running cluster, or one that was killed and can be started again on its data.
pub struct LocalCluster {
    options: Options,
    directory: TempDir,
    /// Where the data is; inside of `directory` unless a test has put it elsewhere.
    data: PathBuf,
    resp_port: u16,
    http_port: u16,
    supervisor: Option<Child>,
}

impl LocalCluster {
    /// Starts a cluster in a new directory and waits until all of it serves.
    ///
    /// # Errors
    /// It does not come up; the error shows what it printed.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let mut cluster = Self::prepare(options)?;
        cluster.launch()?;
        cluster.wait_ready(usize::from(cluster.options.nodes)).await?;
        Ok(cluster)
    }

    /// Chooses a directory and ports, and starts nothing.
    ///
    /// # Errors
    /// No temporary directory.
    pub fn prepare(options: Options) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("ringkv-e2e-").tempdir()?;
        let data = directory.path().join("data");
        let (resp_port, http_port) = (free_port()?, free_port()?);
        Ok(Self { options, directory, data, resp_port, http_port, supervisor: None })
    }

    /// The data directory of the cluster.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Puts the data elsewhere. Only before the first start.
    pub fn set_data(&mut self, data: &Path) {
        self.data = data.to_path_buf();
    }

    /// Changes the options for the next start.
    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// Where clients speak RESP.
    #[must_use]
    pub fn resp(&self) -> String {
        format!("127.0.0.1:{}", self.resp_port)
    }

    /// Where clients speak HTTP.
    #[must_use]
    pub fn http(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    /// Starts the processes and does not wait for anything.
    ///
    /// # Errors
    /// The binary cannot be started.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(binary()?);
        command
            .arg("local")
            .arg("--nodes")
            .arg(self.options.nodes.to_string())
            .arg("--data")
            .arg(&self.data)
            .arg("--resp-port")
            .arg(self.resp_port.to_string())
            .arg("--http-port")
            .arg(self.http_port.to_string())
            .arg("--durability")
            .arg(self.options.durability)
            .args(&self.options.more)
            .envs(self.options.environment.iter().cloned())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log));
        self.supervisor = Some(command.spawn().context("cannot start ringkv local")?);
        Ok(())
    }

    /// Waits until so many servers serve and nothing moves.
    ///
    /// # Errors
    /// Not in time, or the process ended.
    pub async fn wait_ready(&mut self, servers: usize) -> anyhow::Result<Status> {
        let ready = wait::until("the cluster is ready", READY_WITHIN, || {
            let ended = self.has_ended();
            let http = self.http();
            async move {
                match ended {
                    Some(status) => Ok(Err(status)),
                    None => match get_status(&http).await {
                        Ok(status) if status.is_settled(servers) => Ok(Ok(status)),
                        Ok(status) => Err(format!("{status:?}")),
                        Err(error) => Err(format!("{error:#}")),
                    },
                }
            }
        });
        match ready.await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(ended)) => bail!("ringkv local ended ({ended}); it printed:\n{}", self.output()),
            Err(error) => bail!("{error:#}\nit printed:\n{}", self.output()),
        }
    }

    /// The state of the cluster.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn status(&self) -> anyhow::Result<Status> {
        get_status(&self.http()).await
    }

    /// Waits until a condition on the state holds, and returns that state.
    ///
    /// # Errors
    /// Not in time.
    pub async fn wait_status(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Status) -> bool,
    ) -> anyhow::Result<Status> {
        let condition = &condition;
        let waited = wait::until(what, limit, || async move {
            match self.status().await {
                Ok(status) if condition(&status) => Ok(status),
                Ok(status) => Err(format!("{status:?}")),
                Err(error) => Err(format!("{error:#}")),
            }
        });
        waited.await.with_context(|| format!("it printed:\n{}", self.output()))
    }

    /// Waits until nothing moves and so many servers are left.
    ///
    /// # Errors
    /// Not in time.
    pub async fn wait_settled(&self, servers: usize) -> anyhow::Result<Status> {
        let what = format!("{servers} servers, and nothing moves");
        self.wait_status(&what, SETTLED_WITHIN, |status| status.is_settled(servers)).await
    }

    /// Asks for one server more; the change goes on in the background.
    ///
    /// # Errors
    /// Refused.
    pub async fn add_server(&self) -> anyhow::Result<Value> {
        self.change("/add-server", &json!({})).await
    }

    /// Asks for one server less: the named one, or the newest.
    ///
    /// # Errors
    /// Refused.
    pub async fn remove_server(&self, name: Option<&str>) -> anyhow::Result<Value> {
        let body = name.map_or_else(|| json!({}), |name| json!({ "name": name }));
        self.change("/remove-server", &body).await
    }

    /// Asks for several servers more, or less (the newest), in one change.
    ///
    /// # Errors
    /// Refused.
    pub async fn change_by(&self, count: i32) -> anyhow::Result<Value> {
        let path = if count > 0 { "/add-server" } else { "/remove-server" };
        self.change(path, &json!({ "count": count.unsigned_abs() })).await
    }

    async fn change(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let response = http::post(&self.http(), path, body).await?;
        anyhow::ensure!(
            response.status == 202,
            "POST {path}: status {}: {}",
            response.status,
            response.text()
        );
        response.json()
    }

    /// Where the supervisor itself speaks HTTP, as it told its router.
    ///
    /// # Errors
    /// There is no router.
    pub fn coordinator(&self) -> anyhow::Result<String> {
        let router = self.process("router", "")?;
        let url = router.option("--coordinator").context("the router has no --coordinator")?;
        Ok(url.trim_start_matches("http://").trim_end_matches('/').to_owned())
    }

    /// What routers know: the ring document and the addresses of the servers.
    ///
    /// # Errors
    /// The coordinator does not answer.
    pub async fn membership(&self) -> anyhow::Result<Membership> {
        http::get(&self.coordinator()?, "/membership").await
    }

    /// Kills the supervisor without notice (SIGKILL), and waits until all its processes are gone.
    ///
    /// # Errors
    /// They do not go.
    pub async fn kill_supervisor(&mut self) -> anyhow::Result<()> {
        let children = self.processes()?;
        let mut supervisor = self.supervisor.take().context("it does not run")?;
        supervisor.kill()?;
        supervisor.wait()?;
        wait_gone(&children).await
    }

    /// Kills the supervisor if it runs, and waits for its processes to end.
    ///
    /// # Errors
    /// They do not end.
    pub async fn kill_if_running(&mut self) -> anyhow::Result<()> {
        if self.has_ended().is_some() {
            self.supervisor = None;
            return Ok(());
        }
        self.kill_supervisor().await
    }

    /// The process ids of the servers and the router.
    ///
    /// # Errors
    /// The cluster does not run.
    pub fn process_ids(&self) -> anyhow::Result<BTreeSet<u32>> {
        Ok(self.processes()?.into_iter().map(|process| process.id).collect())
    }

    /// The names of the servers that have a process.
    ///
    /// # Errors
    /// The cluster does not run.
    pub fn running_servers(&self) -> anyhow::Result<Vec<String>> {
        let processes = self.processes()?;
        let nodes = processes.iter().filter(|process| process.is("node", ""));
        let mut names: Vec<String> = nodes.filter_map(|node| node.option("--name")).collect();
        names.sort();
        Ok(names)
    }

    /// The process of a part of the cluster, by its id.
    ///
    /// # Errors
    /// There is no such process.
    pub fn process_of(&self, party: &Party) -> anyhow::Result<u32> {
        match party {
            Party::Server(name) => Ok(self.process("node", name)?.id),
            Party::Router => Ok(self.process("router", "")?.id),
            Party::Coordinator => Ok(self.supervisor.as_ref().context("it does not run")?.id()),
        }
    }

    /// Kills everything without notice, at the same time, and waits until it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub async fn kill_all(&mut self) -> anyhow::Result<()> {
        let mut supervisor = self.supervisor.take().context("it does not run")?;
        supervisor.kill()?;
        let children = children_of(supervisor.id());
        for child in &children {
            // One that has ended is as good as killed.
            let _ = child.kill();
        }
        supervisor.wait()?;
        wait_gone(&children).await
    }

    /// Kills one server's process without notice.
    ///
    /// # Errors
    /// There is no such process.
    pub fn kill_node(&self, name: &str) -> anyhow::Result<()> {
        self.process("node", name)?.kill()
    }

    /// Kills the router's process without notice.
    ///
    /// # Errors
    /// There is no such process.
    pub fn kill_router(&self) -> anyhow::Result<()> {
        self.process("router", "")?.kill()
    }

    /// Asks the supervisor to end (SIGTERM) and waits until it and its processes are gone.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let supervisor = self.supervisor.as_ref().context("it does not run")?.id();
        let children = self.processes()?;
        send(supervisor, Signal::TERM)?;
        self.wait_stopped(&children).await
    }

    /// Presses Ctrl-C: every process of the cluster gets SIGINT at once. Waits as
    /// [`Self::stop`] does.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub async fn interrupt(&mut self) -> anyhow::Result<()> {
        let supervisor = self.supervisor.as_ref().context("it does not run")?.id();
        let children = self.processes()?;
        send_to_group(supervisor, Signal::INT)?;
        self.wait_stopped(&children).await
    }

    async fn wait_stopped(&mut self, children: &[Process]) -> anyhow::Result<()> {
        let status = self.wait_end().await?;
        anyhow::ensure!(status.success(), "it ended with {status}:\n{}", self.output());
        wait_gone(children).await
    }

    /// Waits until the supervisor has ended by itself.
    ///
    /// # Errors
    /// It does not end.
    pub async fn wait_end(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = wait::until("ringkv local ends", READY_WITHIN, || {
            let ended = self.has_ended();
            async move { ended.ok_or("it runs") }
        });
        let status = ended.await.with_context(|| self.output())?;
        self.supervisor = None;
        Ok(status)
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        match &mut self.supervisor {
            Some(supervisor) => supervisor.try_wait().ok().flatten(),
            None => Some(ExitStatus::from_raw(0)),
        }
    }

    /// The end of what the processes printed since the first start.
    #[must_use]
    pub fn output(&self) -> String {
        let text = self.whole_output();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(OUTPUT_LINES_SHOWN)..].join("\n")
    }

    /// Everything that the processes printed since the first start.
    #[must_use]
    pub fn whole_output(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("output")
    }

    fn process(&self, role: &str, name: &str) -> anyhow::Result<Process> {
        let found = self.processes()?.into_iter().find(|process| process.is(role, name));
        found.with_context(|| format!("no process: {role} {name}"))
    }

    /// The children of the supervisor.
    fn processes(&self) -> anyhow::Result<Vec<Process>> {
        let supervisor = self.supervisor.as_ref().context("it does not run")?.id();
        Ok(children_of(supervisor))
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        let children = self.processes().unwrap_or_default();
        if let Some(mut supervisor) = self.supervisor.take() {
            // What cannot be killed has ended already.
            let _ = supervisor.kill();
            let _ = supervisor.wait();
        }
        for child in children {
            let _ = child.kill();
        }
    }
}

async fn get_status(http: &str) -> anyhow::Result<Status> {
    http::get(http, "/status").await
}

/// The release binary: `RINGKV_BIN`, or where cargo puts it.
///
/// # Errors
/// It is not there.
pub fn binary() -> anyhow::Result<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/ringkv");
    let path = std::env::var_os("RINGKV_BIN").map_or(built, PathBuf::from);
    File::open(&path).with_context(|| {
        format!("no {}; build it: cargo build --release -p ringkv", path.display())
    })?;
    Ok(path)
}

/// A port on which nobody listens now, below those that the system gives to outgoing connections:
/// one of these could be taken while its server is down.
///
/// # Errors
/// There is none.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Far from the ports of other tests that have just begun, whose ids are near.
    let first = std::process::id().wrapping_mul(61);
    for _ in PORTS {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(number % u32::from(PORTS.end - PORTS.start))?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port in {PORTS:?}")
}
