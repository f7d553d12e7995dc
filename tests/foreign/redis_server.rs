//! Shell. Debian's redis-server, whose answers are the measure.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use e2e::cluster::free_port;
use e2e::resp::Client;
use e2e::wait;
use tempfile::TempDir;

use crate::REQUIRED;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// Says plainly that something is left out where it is not installed, or fails where nothing may
/// be.
pub(crate) fn is_missing() -> anyhow::Result<bool> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|directory| directory.join("redis-server").is_file());
    if !found {
        let advice = "redis-server is not installed; on Debian: apt-get install redis-server";
        anyhow::ensure!(env::var_os(REQUIRED).is_none(), "{advice}");
        println!("    skipped: {advice}");
    }
    Ok(!found)
}

/// A Redis that keeps nothing.
pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl RedisServer {
    /// Starts one, and waits until it answers.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("ringkv-redis-").tempdir()?;
        let port = free_port()?;
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--databases", "1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start redis-server; on Debian: apt-get install redis-server")?;
        let server = Self { process, port, _directory: directory };
        let address = server.address();
        wait::until("redis-server answers", READY_WITHIN, || {
            let address = &address;
            async move { Client::connect(address).await?.words("PING").await }
        })
        .await?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it calls its version.
    pub(crate) async fn version(&self) -> anyhow::Result<String> {
        let info = Client::connect(&self.address()).await?.words("INFO server").await?;
        let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(line.context("INFO without redis_version")?.to_owned())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
