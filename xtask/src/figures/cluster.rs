//! Shell. A cluster of `ringkv local` for a figure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::processes::{Process, free_ports, output_of};

/// What `ringkv local` prints when clients can connect.
const READY: &str = "ringkv is ready";
const READY_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const COUNTED_WITHIN: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// It ends with this value.
pub(super) struct Cluster {
    program: PathBuf,
    resp: u16,
    http: u16,
    _local: Process,
}

impl Cluster {
    /// Starts it in a directory of its own below `parent`.
    pub(super) fn start(
        program: &Path,
        parent: &Path,
        name: &str,
        servers: usize,
        placement: &str,
    ) -> anyhow::Result<Self> {
        let ports = free_ports(2)?;
        let [resp, http] = *ports.as_slice() else { bail!("two ports were asked for") };
        let words = format!(
            "local --nodes {servers} --data data --resp-port {resp} --http-port {http} \
             --durability everysec --placement {placement}"
        );
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let mut local = Process::start(name, parent, program, &words)?;
        local.wait_until(READY, READY_WITHIN, |local| local.output().contains(READY))?;
        Ok(Self { program: program.to_owned(), resp, http, _local: local })
    }

    /// Where Redis clients connect.
    pub(super) fn target(&self) -> String {
        format!("127.0.0.1:{}", self.resp)
    }

    /// Where its HTTP is.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Changes the number of servers, and waits until that is done.
    pub(super) fn scale(&self, servers: usize, within: Duration) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["scale", &servers.to_string(), "--url", &self.url()]);
        output_of(&mut command, within).map(drop)
    }

    /// The keys of each server, by its name, as soon as they are so many in all: servers count them
    /// now and then.
    pub(super) fn keys(&self, total: u64) -> anyhow::Result<Vec<(String, u64)>> {
        let began = Instant::now();
        loop {
            let keys = self.keys_now()?;
            if keys.iter().map(|(_, keys)| keys).sum::<u64>() == total {
                return Ok(keys);
            }
            ensure!(began.elapsed() < COUNTED_WITHIN, "not {total} keys: {keys:?}");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn keys_now(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let mut command = Command::new(&self.program);
        let text =
            output_of(command.args(["status", "--json", "--url", &self.url()]), ANSWER_WITHIN)?;
        let status: Value = serde_json::from_str(&text).context("the status is not JSON")?;
        let servers = status["servers"].as_array().context("the status names no servers")?;
        let keys = servers.iter().map(|server| {
            let name = server["name"].as_str().context("a server without a name")?;
            let keys = server["keys"].as_u64().context("a server without a number of keys")?;
            Ok((name.to_owned(), keys))
        });
        keys.collect()
    }
}
