//! Shell. One server of a ring as a process of its own: started, asked and killed without anybody
//! who supervises it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use node_api::{Change, NodeState, Request};
use rustix::process::Signal;

use crate::cluster::{binary, free_port};
use crate::process::{children_of, freeze, send};
use crate::{http, wait};

/// The cluster to which all servers of these tests belong.
pub const CLUSTER: &str = "0123456789abcdef0123456789abcdef";
/// How long a server may take to serve after its start.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a server may take to end once it has been told to, or once it must.
pub const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How much of the output is shown where something fails.
const OUTPUT_BYTES_SHOWN: usize = 4_000;

/// What one server is told at each start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in the ring.
    pub name: String,
    /// Its data directory.
    pub data: PathBuf,
    /// Where its output goes; it grows over all starts.
    pub log: PathBuf,
    /// Where it reads the ring document, `host:port`.
    pub coordinator: String,
    /// `always` or `everysec`.
    pub durability: &'static str,
    /// A program before the server's own, such as a tracer with its options.
    pub wrapper: Vec<String>,
}

/// A server, running or not.
pub struct Server {
    settings: Settings,
    ports: [u16; 3],
    child: Option<Child>,
    /// How it ended by itself, if it has since its latest start.
    status: Option<ExitStatus>,
    /// How long the output was at the latest start.
    log_start: u64,
}

impl Server {
    /// Chooses ports, and starts nothing.
    ///
    /// # Errors
    /// There are no free ports.
    pub fn prepare(settings: Settings) -> anyhow::Result<Self> {
        let ports = [free_port()?, free_port()?, free_port()?];
        Ok(Self { settings, ports, child: None, status: None, log_start: 0 })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.settings.data
    }

    /// Puts another program in front of the next start; none where it is empty.
    pub fn wrap(&mut self, wrapper: Vec<String>) {
        self.settings.wrapper = wrapper;
    }

    /// Where it speaks RESP.
    #[must_use]
    pub fn resp(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Where it is administered.
    #[must_use]
    pub fn http(&self) -> String {
        format!("127.0.0.1:{}", self.ports[1])
    }

    /// Where other servers hand over data.
    #[must_use]
    pub fn peer(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.settings.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.settings.log)?;
        self.log_start = log.metadata()?.len();
        let program = binary()?;
        let mut command = match self.settings.wrapper.split_first() {
            None => Command::new(program),
            Some((wrapper, options)) => {
                let mut command = Command::new(wrapper);
                command.args(options).arg(program);
                command
            }
        };
        command
            .args(["node", "--name", &self.settings.name, "--cluster", CLUSTER, "--data"])
            .arg(&self.settings.data)
            .args(["--resp", &self.resp(), "--http", &self.http(), "--peer", &self.peer()])
            .args(["--coordinator", &format!("http://{}", self.settings.coordinator)])
            .args(["--durability", self.settings.durability, "--disk-reserve-bytes", "1048576"])
            // It must not outlive the tests.
            .arg("--exit-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log));
        self.status = None;
        self.child = Some(command.spawn().context("cannot start ringkv node")?);
        Ok(())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(self.status) };
        self.status = child.try_wait()?;
        if self.status.is_some() {
            self.child = None;
        }
        Ok(self.status)
    }

    /// Waits until it serves, or has ended: `Err` inside.
    ///
    /// # Errors
    /// Neither in time.
    pub async fn serves_or_ends(&mut self) -> anyhow::Result<Result<NodeState, ExitStatus>> {
        self.answers_or_ends(READY_WITHIN, |state| state.admitted).await
    }

    /// The same for any condition on what it says of itself, and within any time.
    ///
    /// # Errors
    /// Neither in time.
    pub async fn answers_or_ends(
        &mut self,
        limit: Duration,
        condition: impl Fn(&NodeState) -> bool,
    ) -> anyhow::Result<Result<NodeState, ExitStatus>> {
        let http = self.http();
        let mut seen = String::new();
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Err(status));
            }
            match state(&http).await {
                Ok(state) if condition(&state) => return Ok(Ok(state)),
                Ok(state) => seen = state.admission_error.unwrap_or_default(),
                Err(error) => seen = if seen.is_empty() { format!("{error:#}") } else { seen },
            }
            ensure!(
                Instant::now() < deadline,
                "{} does not serve within {limit:?}; last seen: {seen}\n{}",
                self.settings.name,
                self.output()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until it answers, whether it serves or not.
    ///
    /// # Errors
    /// It does not, or has ended.
    pub async fn wait_answers(&mut self) -> anyhow::Result<NodeState> {
        let answered = self.answers_or_ends(READY_WITHIN, |_| true).await?;
        answered.map_err(|status| self.ended_with(status))
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// It does not, or has ended.
    pub async fn wait_serves(&mut self) -> anyhow::Result<NodeState> {
        let served = self.serves_or_ends().await?;
        served.map_err(|status| self.ended_with(status))
    }

    fn ended_with(&self, status: ExitStatus) -> anyhow::Error {
        anyhow::anyhow!("{} ended ({status}):\n{}", self.settings.name, self.output())
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn state(&self) -> anyhow::Result<NodeState> {
        state(&self.http()).await
    }

    /// Asks for a change, and expects that it is accepted.
    ///
    /// # Errors
    /// It is refused, or not answered.
    pub async fn change(&self, term: u64, change: Change) -> anyhow::Result<()> {
        let (name, incarnation) = (change.name(), self.state().await?.server.incarnation);
        let body = serde_json::to_vec(&Request { term, incarnation, change })?;
        let head = "content-type: application/json\r\n";
        let path = "/admin/v1/change";
        let response = http::request(&self.http(), "POST", path, head, &body).await?;
        ensure!(response.status < 300, "{name} of {}: {}", self.name(), response.text());
        Ok(())
    }

    /// Stops it in the middle of whatever it does. What it waits for in the kernel may still come
    /// to an end there, but nobody is told any more.
    ///
    /// # Errors
    /// It does not run, or does not stop.
    pub fn freeze(&self) -> anyhow::Result<()> {
        let id = self.child.as_ref().context("it does not run")?.id();
        freeze(id).with_context(|| self.settings.name.clone())
    }

    /// Kills it without notice, and waits until it is gone.
    ///
    /// # Errors
    /// It did not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let child = self.child.take().context("it does not run")?;
        self.end_child(child)
    }

    /// A wrapper does not take the server with it.
    fn end_child(&self, mut child: Child) -> anyhow::Result<()> {
        if !self.settings.wrapper.is_empty() {
            for wrapped in children_of(child.id()) {
                // What cannot be killed has ended already.
                let _ = wrapped.kill();
            }
        }
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        if let Some(child) = &self.child {
            // A process that has ended by itself needs no signal.
            let _ = send(child.id(), Signal::TERM);
        }
        self.wait_end().await
    }

    /// Ends its standard input, which ends it in order, as [`Self::stop`] does; a wrapper is not
    /// told anything, and ends as the server does.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop_wrapped(&mut self) -> anyhow::Result<ExitStatus> {
        match &mut self.child {
            Some(child) => drop(child.stdin.take()),
            None => return self.status.context("it never ran"),
        }
        self.wait_end().await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not end.
    pub async fn wait_end(&mut self) -> anyhow::Result<ExitStatus> {
        let name = self.settings.name.clone();
        wait::until_every(&format!("{name} ends"), LOOK_EVERY, ENDS_WITHIN, || {
            let ended = self.ended();
            async move { ended.map_err(|error| format!("{error:#}"))?.ok_or("it runs".to_owned()) }
        })
        .await
    }

    /// The end of what it printed since its latest start.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.settings.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or_default();
        let new = bytes.get(start..).unwrap_or_default();
        let shown = new.get(new.len().saturating_sub(OUTPUT_BYTES_SHOWN)..).unwrap_or_default();
        String::from_utf8_lossy(shown).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let _ = self.end_child(child);
        }
    }
}

async fn state(http: &str) -> anyhow::Result<NodeState> {
    http::get(http, "/admin/v1/state").await
}
