//! Shell. How a cluster's keys are spread over its servers.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::local_cluster::Api;
use crate::processes::output_of;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const COUNTED_WITHIN: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The keys of each server, by its name, as soon as they are so many in all: servers count them now
/// and then.
pub(super) fn keys_of_servers(api: &Api, total: u64) -> anyhow::Result<Vec<(String, u64)>> {
    let began = Instant::now();
    loop {
        let keys = keys_now(api)?;
        if keys.iter().map(|(_, keys)| keys).sum::<u64>() == total {
            return Ok(keys);
        }
        ensure!(began.elapsed() < COUNTED_WITHIN, "not {total} keys: {keys:?}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

fn keys_now(api: &Api) -> anyhow::Result<Vec<(String, u64)>> {
    let text = output_of(&mut api.status(), ANSWER_WITHIN)?;
    let status: Value = serde_json::from_str(&text).context("the status is not JSON")?;
    let servers = status["servers"].as_array().context("the status names no servers")?;
    let keys = servers.iter().map(|server| {
        let name = server["name"].as_str().context("a server without a name")?;
        let keys = server["keys"].as_u64().context("a server without a number of keys")?;
        Ok((name.to_owned(), keys))
    });
    keys.collect()
}
