//! Shell. Counts keys on the nodes: for the status, for a preview, and before a change.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use node_api::{Count, NodeClient, ServerAddresses};
use ring::Move;
use shell::clock::Clock;
use tokio::task::JoinSet;

use crate::change::{moves_to, owned_arcs, reachable, receivers_without_space, ring_of};
use crate::coordinator::Shared;
use crate::driver::Facts;
use crate::status::{ChangeError, Preview, PreviewMove};
use crate::view::Observation;

/// The last count of what each server owns.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// By the monotonic clock; `None` before the first.
    counted_at: Option<Duration>,
    pub(crate) by_server: BTreeMap<String, Count>,
}

/// Counts what each server owns, if the last count is older than that. One count at a time.
pub(crate) async fn count_servers(shared: &Shared, max_age: Duration) {
    let _one_at_a_time = shared.counting.lock().await;
    let now = shared.clock.monotonic();
    let last = shared.counts.lock().unwrap_or_else(PoisonError::into_inner).counted_at;
    if last.is_some_and(|last| now.saturating_sub(last) < max_age) {
        return;
    }
    let facts = shared.facts();
    let mut running = JoinSet::new();
    for name in facts.observed.keys() {
        let (Some(state), Some(address)) =
            (reachable(&facts.observed, name), facts.addresses.get(name))
        else {
            continue;
        };
        let (client, address) = (shared.client.clone(), address.http.clone());
        let (name, arcs) = (name.clone(), owned_arcs(state));
        running.spawn(async move { (name, client.count(&address, arcs).await) });
    }
    let mut by_server = BTreeMap::new();
    while let Some(result) = running.join_next().await {
        if let Ok((name, Ok(count))) = result {
            by_server.insert(name, count);
        }
    }
    shared.status.send_modify(|status| {
        let mut next = (**status).clone();
        for server in &mut next.servers {
            if let Some(count) = by_server.get(&server.name) {
                (server.keys, server.bytes) = (count.keys, count.bytes);
            }
        }
        *status = next.into();
    });
    let counted_at = Some(now);
    *shared.counts.lock().unwrap_or_else(PoisonError::into_inner) =
        Counts { counted_at, by_server };
}

/// How exactly to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// By a look at every record.
    Exact,
    /// From a part of the records: soon, however many there are.
    Estimate,
}

/// What would go from one server to another, counted at its source.
pub(crate) async fn count_moves(
    client: &NodeClient,
    addresses: &BTreeMap<String, ServerAddresses>,
    moves: Vec<Move>,
    precision: Precision,
) -> Result<Vec<(Move, Count)>, String> {
    let mut running = JoinSet::new();
    for one in moves {
        let address = addresses.get(&one.source).map(|addresses| addresses.http.clone());
        let client = client.clone();
        running.spawn(async move {
            let (address, arcs) = (address.unwrap_or_default(), one.arcs.clone());
            let count = match precision {
                Precision::Exact => client.count(&address, arcs).await,
                Precision::Estimate => client.estimate(&address, arcs).await,
            };
            count
                .map_err(|error| format!("{} cannot be counted: {error}", one.source))
                .map(|count| (one, count))
        });
    }
    let mut counted = Vec::new();
    while let Some(result) = running.join_next().await {
        counted.push(result.map_err(|error| error.to_string())??);
    }
    counted.sort_by(|(a, _), (b, _)| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
    Ok(counted)
}

/// What would have to move for these to be the members. For many servers it takes seconds of
/// computing, so that is done beside everything else, and for one question at a time.
async fn moves_of(
    shared: &Shared,
    facts: &Arc<Facts>,
    members: &[String],
) -> Result<Vec<Move>, ChangeError> {
    let _one_at_a_time = shared.planning.lock().await;
    let (facts, members) = (Arc::clone(facts), members.to_vec());
    let computed = shell::blocking::run(move || {
        let document = facts.document.as_ref().ok_or(ChangeError::Starting)?;
        let ring = ring_of(document, &members, &facts.observed)?;
        Ok(moves_to(document, &facts.observed, &ring))
    });
    computed.await.unwrap_or(Err(ChangeError::Starting))
}

/// What scaling would do and what would stand in its way.
pub(crate) async fn preview(shared: &Shared, replicas: usize) -> Result<Preview, ChangeError> {
    let facts = shared.facts();
    let document = facts.document.as_ref().ok_or(ChangeError::Starting)?;
    let mut wish = shared.wish.borrow().clone();
    wish.scale(replicas, &shared.config.name_prefix)?;
    let moves = moves_of(shared, &facts, &wish.members).await?;
    let is_member = |name: &String| document.member(name).is_some();
    let mut preview = Preview {
        from: document.members.len(),
        to: wish.members.len(),
        joining: wish.members.iter().filter(|name| !is_member(name)).cloned().collect(),
        leaving: document
            .members
            .iter()
            .map(|member| member.name.clone())
            .filter(|name| !wish.members.contains(name))
            .collect(),
        ..Preview::default()
    };
    for (name, observation) in &facts.observed {
        if let Observation::Unreachable(why) = observation {
            preview.refused.push(format!("{name} does not answer: {why}"));
        }
    }
    match count_moves(&shared.client, &facts.addresses, moves, Precision::Exact).await {
        Ok(counted) => {
            preview.refused.extend(receivers_without_space(&counted, &facts.observed));
            preview.keys = counted.iter().map(|(_, count)| count.keys).sum();
            preview.bytes = counted.iter().map(|(_, count)| count.bytes).sum();
            preview.moves = counted
                .into_iter()
                .map(|(one, count)| PreviewMove {
                    arc_share: one.arcs.share(),
                    source: one.source,
                    target: one.target,
                    keys: count.keys,
                    bytes: count.bytes,
                })
                .collect();
        }
        Err(problem) => preview.refused.push(problem),
    }
    Ok(preview)
}
