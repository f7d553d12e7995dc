//! Shell. A whole cluster of `ringkv local` on free ports, as measurements start it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::processes::{Process, free_ports};

/// How long it may take from its start until clients can connect.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// What it prints then.
const READY: &str = "ringkv is ready";

/// It ends with its process.
pub(crate) struct LocalCluster {
    /// Where Redis clients connect.
    pub(crate) resp: u16,
    /// What it is asked and told by.
    pub(crate) api: Api,
    /// The supervisor, whose children servers and router are.
    pub(crate) process: Process,
}

/// The commands of a running cluster.
pub(crate) struct Api {
    program: PathBuf,
    http: u16,
}

impl LocalCluster {
    /// Starts it in a directory of that name below `parent`; `more` are flags of `ringkv local`.
    pub(crate) fn start(
        program: &Path,
        parent: &Path,
        name: &str,
        nodes: usize,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let ports = free_ports(2)?;
        let [resp, http] = *ports.as_slice() else { bail!("two ports were asked for") };
        let words =
            format!("local --nodes {nodes} --data data --resp-port {resp} --http-port {http}");
        let words = words.split(' ').chain(more.iter().copied()).map(str::to_owned);
        let mut process = Process::start(name, parent, program, &words.collect::<Vec<_>>())?;
        process.wait_until(READY, READY_WITHIN, |local| local.output().contains(READY))?;
        Ok(Self { resp, api: Api { program: program.to_owned(), http }, process })
    }
}

impl Api {
    /// Where its HTTP is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Changes the number of servers, and ends when that is done.
    pub(crate) fn scale(&self, nodes: usize) -> Command {
        self.command(&["scale", &nodes.to_string()])
    }

    /// Prints the status as JSON.
    pub(crate) fn status(&self) -> Command {
        self.command(&["status", "--json"])
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).args(["--url", &self.url()]);
        command
    }
}
