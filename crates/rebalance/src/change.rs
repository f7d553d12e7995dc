//! Pure. From what is wished for to the next ring document, and what that would move.

use std::collections::BTreeMap;

use handoff::Server;
use node_api::{Count, NodeState};
use ring::{ArcMap, ArcSet, DocumentError, Move, Ring, RingDocument};

use crate::view::{Observation, View, is_dead, is_volume};
use crate::wish::Wish;

/// How much free space a receiver must have over the bytes that it is to receive, in percent.
const FREE_SPACE_PERCENT: u64 = 120;

/// The document that the wish makes of the committed one, if it makes another; else what the
/// change waits for.
pub(crate) fn next_document(
    document: &RingDocument,
    wish: &Wish,
    observed: &BTreeMap<String, Observation>,
) -> Result<Option<RingDocument>, Vec<String>> {
    let failed = |error: DocumentError| vec![error.to_string()];
    let mut next = with_accepted_losses(document, wish, observed).map_err(failed)?;
    let mut waiting = Vec::new();
    let mut joiners = Vec::new();
    for name in &wish.members {
        if next.member(name).is_some() {
            continue;
        }
        match observed.get(name) {
            Some(Observation::Reachable(state)) => {
                let incarnation = state.server.incarnation.to_string();
                joiners.push((name.as_str(), incarnation));
            }
            Some(Observation::Unreachable(why)) => {
                waiting.push(format!("{name} is to join and does not answer yet: {why}"));
            }
            None => waiting.push(format!("{name} is to join and is not running yet")),
        }
    }
    if !waiting.is_empty() {
        return Err(waiting);
    }
    if !joiners.is_empty() {
        let joiners = joiners.iter().map(|(name, incarnation)| (*name, incarnation.as_str()));
        next = next.with_members_added(joiners).map_err(failed)?;
    }
    for member in &document.members {
        if !wish.members.contains(&member.name) && next.member(&member.name).is_some() {
            next = next.with_member_removed(&member.name).map_err(failed)?;
        }
    }
    Ok((next != *document).then_some(next))
}

/// The document with every accepted loss declared; a new volume that answers in the place of a
/// lost one becomes the member.
pub(crate) fn with_accepted_losses(
    document: &RingDocument,
    wish: &Wish,
    observed: &BTreeMap<String, Observation>,
) -> Result<RingDocument, DocumentError> {
    let mut next = document.clone();
    for server in &wish.accepted {
        let incarnation = server.incarnation.to_string();
        if next.is_dead(&server.name, &incarnation) {
            continue;
        }
        let replacement = reachable(observed, &server.name)
            .filter(|state| state.server != *server)
            .map(|state| state.server.incarnation.to_string());
        next = next.with_dead(&server.name, &incarnation, replacement.as_deref())?;
    }
    Ok(next)
}

/// What has to move from what the nodes own now to another ring, by pairs.
pub(crate) fn moves_to(
    document: &RingDocument,
    observed: &BTreeMap<String, Observation>,
    ring: &Ring,
) -> Vec<Move> {
    ring::diff(&View::new(document, observed).ownership(), &ring.assignment())
}

/// The ring that scaling would make; servers that do not exist yet get an incarnation made up.
pub(crate) fn ring_of(
    document: &RingDocument,
    members: &[String],
    observed: &BTreeMap<String, Observation>,
) -> Result<Ring, DocumentError> {
    let joining = members.iter().filter(|name| document.member(name).is_none());
    let joiners: Vec<(&str, String)> = joining
        .map(|name| {
            let incarnation = match observed.get(name) {
                Some(Observation::Reachable(state)) => state.server.incarnation.to_string(),
                _ => "0".repeat(32),
            };
            (name.as_str(), incarnation)
        })
        .collect();
    let mut next = document.with_members_added(
        joiners.iter().map(|(name, incarnation)| (*name, incarnation.as_str())),
    )?;
    for member in &document.members {
        if !members.contains(&member.name) {
            next = next.with_member_removed(&member.name)?;
        }
    }
    Ring::from_document(&next)
}

/// What each source is to be asked to count: the arcs of its moves.
pub(crate) fn receivers_without_space(
    counted: &[(Move, Count)],
    observed: &BTreeMap<String, Observation>,
) -> Vec<String> {
    let mut incoming: BTreeMap<&str, u64> = BTreeMap::new();
    for (one, count) in counted {
        *incoming.entry(&one.target).or_default() += count.bytes;
    }
    incoming
        .into_iter()
        .filter_map(|(target, bytes)| {
            let state = reachable(observed, target)?;
            let needed = bytes / 100 * FREE_SPACE_PERCENT;
            (needed > state.disk_free_bytes).then(|| {
                format!(
                    "{target} would receive {bytes} bytes and has {} bytes free: it needs \
                     {needed}; give it a larger volume or free space on its disk",
                    state.disk_free_bytes
                )
            })
        })
        .collect()
}

/// The state of the server of that name, if it answers.
pub(crate) fn reachable<'a>(
    observed: &'a BTreeMap<String, Observation>,
    name: &str,
) -> Option<&'a NodeState> {
    match observed.get(name)? {
        Observation::Reachable(state) => Some(state),
        Observation::Unreachable(_) => None,
    }
}

/// The first ring document, once every first member answers; else what is waited for.
pub(crate) fn first_document(
    cluster: &str,
    placement: ring::Placement,
    virtual_nodes: u16,
    members: &[String],
    observed: &BTreeMap<String, Observation>,
) -> Result<RingDocument, Vec<String>> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut waiting = Vec::new();
    for name in members {
        match reachable(observed, name) {
            Some(state) => found.push((name, state.server.incarnation.to_string())),
            None => waiting.push(format!("waiting for {name} to answer, to make the first ring")),
        }
    }
    if !waiting.is_empty() {
        return Err(waiting);
    }
    let members = found.iter().map(|(name, incarnation)| (*name, &**incarnation));
    RingDocument::bootstrap(cluster, placement, virtual_nodes, members)
        .map_err(|error| vec![error.to_string()])
}

/// Of the documents that servers have recorded, the latest that may have been committed: all of
/// its members that answer have recorded it, or a later one.
pub(crate) fn latest_committable(
    recorded: Vec<RingDocument>,
    observed: &BTreeMap<String, Observation>,
) -> Option<RingDocument> {
    let states = || observed.keys().filter_map(|name| reachable(observed, name));
    let may_be = |document: &RingDocument| {
        let mut states = states().filter(|state| !is_dead(document, &state.server));
        states.all(|state| {
            let mut members = document.members.iter();
            state.ring_epoch >= document.epoch || !members.any(|one| is_volume(state, one))
        })
    };
    let bootstrapped = |one: &RingDocument| one.phase == ring::Phase::Bootstrapped;
    let committable = recorded.into_iter().filter(|one| !bootstrapped(one) || may_be(one));
    committable.max_by_key(|document| (document.epoch, document.term))
}

/// Whether the node has been in a ring before.
pub(crate) fn has_a_past(state: &NodeState) -> bool {
    state.granted || state.ring_epoch > 0 || !state.owned.is_empty()
}

/// Members of either document that must have recorded the next one before it is committed.
#[must_use]
pub fn must_record(current: Option<&RingDocument>, next: &RingDocument) -> Vec<Server> {
    let before = current.iter().flat_map(|document| &document.members);
    let mut servers: Vec<Server> = next
        .members
        .iter()
        .chain(before)
        .filter(|member| !next.is_dead(&member.name, &member.incarnation))
        .filter_map(|member| {
            let incarnation = member.incarnation.parse().ok()?;
            Some(Server { name: member.name.clone(), incarnation })
        })
        .collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

/// What a server owns, for counting it.
pub(crate) fn owned_arcs(state: &NodeState) -> ArcSet {
    let owned: &ArcMap<handoff::Epoch> = &state.owned;
    owned.arcs()
}
