//! Shell. A way from the tests to a port inside of Kubernetes, by `kubectl port-forward`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use anyhow::Context;
use e2e::resp::Client;
use e2e::scenario;

use super::cluster::Cluster;

/// A port of this machine that leads to a router.
pub(crate) struct Forward {
    child: Child,
    address: String,
    /// Kept open: kubectl ends where it cannot print.
    _stdout: BufReader<ChildStdout>,
}

impl Forward {
    /// To a router of the cluster.
    pub(crate) fn to_router(cluster: &Cluster) -> anyhow::Result<Self> {
        let service = format!("service/{}", cluster.name);
        let mut child = cluster
            .kubectl
            .command(&["port-forward", &service, ":6379"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot start kubectl")?;
        let mut stdout = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let mut forward = Self { child, address: String::new(), _stdout: stdout };
        let address = line.split(' ').nth(2).filter(|word| word.starts_with("127.0.0.1:"));
        address.with_context(|| format!("port-forward: {line}"))?.clone_into(&mut forward.address);
        Ok(forward)
    }

    /// Sends commands over one connection; their answers as text.
    pub(crate) fn redis(&self, commands: &[&str]) -> anyhow::Result<Vec<String>> {
        scenario(async {
            let mut client = Client::connect(&self.address).await?;
            let mut answers = Vec::new();
            for command in commands {
                answers.push(client.words(command).await.with_context(|| (*command).to_owned())?);
            }
            Ok(answers)
        })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
