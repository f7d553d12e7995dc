//! Shell. Data in a cluster, written and read at its servers directly, so that no router is needed.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use e2e::inventory::{assignment, expected_keys, scan};
use e2e::resp::{Answer, Client};
use ring::{ArcMap, Point, RingDocument};
use serde_json::Value;

/// Keys of a cluster.
const KEYS: u32 = 300;
/// Of them, so many are written again before each case.
const KEYS_AGAIN: u32 = 30;
/// The RESP port of a server.
const RESP_PORT: u16 = 6400;

/// What was written and acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    values: BTreeMap<String, String>,
    rounds: u32,
}

impl Data {
    /// Writes: everything the first time, and later a part of it.
    pub(crate) async fn write(
        &mut self,
        resource: &Value,
        addresses: &BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let owners = owners(resource)?;
        let round = self.rounds;
        self.rounds += 1;
        let keys: Vec<u32> = if round == 0 {
            (0..KEYS).collect()
        } else {
            (0..KEYS_AGAIN).map(|n| (round * KEYS_AGAIN + n) % KEYS).collect()
        };
        let mut clients: BTreeMap<String, Client> = BTreeMap::new();
        for key in keys {
            let (key, value) = (format!("key:{key}"), format!("value of round {round} of {key}"));
            let owner = owners.get(Point::of(key.as_bytes())).context("a key without owner")?;
            if !clients.contains_key(owner) {
                clients.insert(owner.clone(), connect(addresses, owner).await?);
            }
            let client = clients.get_mut(owner).context("no connection")?;
            let answer = client.call(&[b"SET", key.as_bytes(), value.as_bytes()]).await?;
            ensure!(answer.text() == "OK", "SET at {owner}: {}", answer.text());
            self.values.insert(key, value);
        }
        Ok(())
    }

    /// Requires that every key is at its owner, with its last value, and nothing else anywhere.
    pub(crate) async fn require(
        &self,
        resource: &Value,
        addresses: &BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let owners = owners(resource)?;
        let expected = expected_keys(&owners, self.values.keys().cloned());
        for (server, expected) in &expected {
            let address = addresses.get(server).with_context(|| format!("no {server} runs"))?;
            let found = scan(&format!("{address}:{RESP_PORT}")).await?;
            ensure!(
                found == *expected,
                "{server} shows {} keys that it should not, and lacks {} of {}",
                found.difference(expected).count(),
                expected.difference(&found).count(),
                expected.len()
            );
            let mut client = connect(addresses, server).await?;
            for key in expected {
                let answer = client.call(&[b"GET", key.as_bytes()]).await?;
                let value = self.values.get(key).context("a key that was not written")?;
                let is_so =
                    matches!(&answer, Answer::Bulk(Some(found)) if found == value.as_bytes());
                ensure!(is_so, "{key} at {server} is {}, not {value}", answer.text());
            }
        }
        Ok(())
    }
}

fn owners(resource: &Value) -> anyhow::Result<ArcMap<String>> {
    let ring = resource["status"]["ring"].clone();
    let document: RingDocument = serde_json::from_value(ring).context("no ring document")?;
    assignment(&document)
}

async fn connect(addresses: &BTreeMap<String, String>, server: &str) -> anyhow::Result<Client> {
    let address = addresses.get(server).with_context(|| format!("no {server} runs"))?;
    Client::connect(&format!("{address}:{RESP_PORT}")).await
}
