//! Shell. What lies on which disk, and where it should lie, computed from the ring alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use node_api::{Count, CountRequest};
use ring::{ArcMap, ArcSet, Point, Ring, RingDocument};

use crate::cluster::LocalCluster;
use crate::resp::{Answer, Client};
use crate::status::Status;
use crate::workload::key_name;
use crate::{http, wait};

/// How long a former owner may take to delete what it gave away.
const DELETED_WITHIN: Duration = Duration::from_secs(60);

/// Who owns which arc by a ring document.
///
/// # Errors
/// The document is not valid.
pub fn assignment(document: &RingDocument) -> anyhow::Result<ArcMap<String>> {
    Ok(Ring::from_document(document).context("the ring document is not valid")?.assignment())
}

/// How many of the keys each server should hold.
#[must_use]
pub fn expected_keys(
    owners: &ArcMap<String>,
    keys: impl Iterator<Item = String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, owner) in owners.iter() {
        expected.entry(owner.clone()).or_default();
    }
    for key in keys {
        if let Some(owner) = owners.get(Point::of(key.as_bytes())) {
            expected.entry(owner.clone()).or_default().insert(key);
        }
    }
    expected
}

/// How many of the keys `0 .. keys` lie on arcs whose owner differs, by old and new owner.
#[must_use]
pub fn keys_that_move(
    before: &ArcMap<String>,
    after: &ArcMap<String>,
    keys: u32,
) -> BTreeMap<(String, String), u64> {
    let mut moved = BTreeMap::new();
    for key in 0..keys {
        let point = Point::of(key_name(key).as_bytes());
        if let (Some(from), Some(to)) = (before.get(point), after.get(point))
            && from != to
        {
            *moved.entry((from.clone(), to.clone())).or_default() += 1;
        }
    }
    moved
}

/// The state of a handoff that came to nothing.
const CANCELLED: &str = "cancelled";

/// How many keys each pair of servers moved in the latest change, as the targets counted. What a
/// handoff that came to nothing had sent is not moved: it goes again with another one.
#[must_use]
pub fn keys_moved(status: &Status) -> BTreeMap<(String, String), u64> {
    let mut moved = BTreeMap::new();
    let handoffs = status.last_rebalance.iter().flat_map(|change| &change.handoffs);
    let moving = handoffs.filter(|handoff| handoff.state != CANCELLED && handoff.keys_moved > 0);
    for handoff in moving {
        let pair = (handoff.source.clone(), handoff.target.clone());
        *moved.entry(pair).or_default() += handoff.keys_moved;
    }
    moved
}

/// Requires that each of the keys lies on exactly its owner's disk, and nothing else on any disk.
///
/// What a former owner gave away it deletes in the background, so this waits for it.
///
/// # Errors
/// What lies where it should not, or is missing.
pub async fn require_exact_placement(
    cluster: &LocalCluster,
    keys: BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let keys = &keys;
    wait::until("every disk holds its own keys and no others", DELETED_WITHIN, || async move {
        require_placement_now(cluster, keys.clone()).await.map_err(|error| format!("{error:#}"))
    })
    .await
}

/// The same without waiting: by what each server counts on its whole disk, and then by what it
/// shows to a SCAN.
///
/// # Errors
/// What lies where it should not, or is missing.
pub async fn require_placement_now(
    cluster: &LocalCluster,
    keys: BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let membership = cluster.membership().await?;
    let owners = assignment(&membership.document)?;
    let expected = expected_keys(&owners, keys.into_iter());
    ensure!(
        membership.servers.keys().eq(expected.keys()),
        "servers {:?}, owners {:?}",
        membership.servers.keys(),
        expected.keys()
    );
    let mut placed = BTreeMap::new();
    for (name, addresses) in &membership.servers {
        let expected = expected.get(name).context("unknown server")?;
        let count = count(&addresses.http).await?;
        let (keys, records) = (count.keys, count.records);
        ensure!(
            keys == expected.len() as u64 && records == keys,
            "{name} holds {keys} keys in {records} records, and should hold {}",
            expected.len()
        );
        let found = scan(&addresses.resp).await.with_context(|| format!("SCAN of {name}"))?;
        ensure!(
            found == *expected,
            "{name} shows {} keys that it should not, and lacks {}",
            found.difference(expected).count(),
            expected.difference(&found).count()
        );
        placed.insert(name.clone(), keys);
    }
    Ok(placed)
}

/// What is on the disk of a server, on whatever arc.
///
/// # Errors
/// It does not answer.
pub async fn count(http: &str) -> anyhow::Result<Count> {
    let request = CountRequest { arcs: ArcSet::full(), records_max: None };
    http::post(http, "/admin/v1/count", &request).await?.json()
}

/// Every key that SCAN finds at an address.
///
/// # Errors
/// An answer that is none of SCAN.
pub async fn scan(resp: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut client = Client::connect(resp).await?;
    let mut found = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    loop {
        let answer = client.call(&[b"SCAN", &cursor, b"COUNT", b"1000"]).await?;
        let Answer::Array(parts) = &answer else { anyhow::bail!("{}", answer.text()) };
        let [Answer::Bulk(Some(next)), Answer::Array(keys)] = parts.as_slice() else {
            anyhow::bail!("{}", answer.text());
        };
        found.extend(keys.iter().map(Answer::text));
        if next == b"0" {
            return Ok(found);
        }
        cursor.clone_from(next);
    }
}
