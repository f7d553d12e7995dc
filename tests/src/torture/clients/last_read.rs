//! Shell. The last read of everything that a round has written.

use std::collections::{BTreeMap, BTreeSet};

use super::Shared;
use super::answers::read_of;
use crate::resp::{Answer, Client, frame};
use crate::torture::history::{History, Key};

/// Commands in one pipeline.
const PIPELINE: usize = 256;

/// Reads every key of the history once more, and writes that down; the bytes by name.
pub(in crate::torture) async fn read_all(
    shared: &Shared,
    history: &mut History,
) -> anyhow::Result<BTreeMap<String, Option<Vec<u8>>>> {
    let keys: BTreeSet<Key> = history.entries.iter().map(|(key, _)| *key).collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let mut client = Client::connect(&shared.address).await?;
    let mut found = BTreeMap::new();
    for group in keys.chunks(PIPELINE) {
        let called = shared.now();
        let names = group.iter().map(|key| key.name(shared.round));
        let frames = names.flat_map(|name| frame(&[b"GET", name.as_bytes()]));
        client.send(&frames.collect::<Vec<u8>>()).await?;
        for key in group {
            let answer = client.answer().await?;
            let name = key.name(shared.round);
            let Answer::Bulk(bytes) = &answer else {
                anyhow::bail!("GET {name}: {}", answer.text());
            };
            let operation = read_of(*key, &answer, called, shared.now());
            let operation = operation.ok_or_else(|| {
                anyhow::anyhow!("GET {name} answers {}, which nobody wrote", answer.text())
            })?;
            history.entries.push((*key, operation));
            found.insert(name, bytes.clone());
        }
    }
    Ok(found)
}
