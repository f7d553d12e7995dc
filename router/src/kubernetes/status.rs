//! Pure. `GET /status` on Kubernetes: what the operator tells in the KvCluster, and what the router
//! knows, in the form of the coordinator's status.

use std::collections::{BTreeMap, BTreeSet};

use crd::{ConditionType, KvClusterStatus, RebalanceStatus, ServerState, condition_reasons};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DynamicObject;
use kubernetes::ClusterName;
use rebalance::{ClusterState, Rebalance, ServerRole, ServerStatus, Status};
use ring::RingDocument;
use serde::de::DeserializeOwned;

use super::Facts;
use crate::table::{Owner, Table};

/// The status of this cluster. What the KvCluster says and this release does not understand is
/// left out.
pub(crate) fn status(cluster: &ClusterName, facts: &Facts, table: &Table) -> Status {
    let Some(object) = facts.object.as_deref() else {
        let reason = match &facts.document {
            Some(_) => format!("KvCluster {cluster} was deleted"),
            None => format!("this router has not seen KvCluster {cluster} yet"),
        };
        let servers = servers(facts, table, &[]);
        let reasons = vec![reason];
        return Status { epoch: table.ring_epoch, reasons, servers, ..Status::default() };
    };
    let told = read(object);
    let mut rebalance = told.rebalance.as_ref().map(rebalance);
    if let Some(rebalance) = &mut rebalance {
        rebalance.epoch = table.ring_epoch;
    }
    Status {
        epoch: table.ring_epoch,
        state: state(&told, facts.document.is_some()),
        reasons: reasons(&told.conditions),
        servers: servers(facts, table, &told.servers),
        rebalance,
        last_rebalance: None,
        lost: Vec::new(),
        wished: Vec::new(),
    }
}

/// The parts that are shown, each of them as far as it is understood.
fn read(object: &DynamicObject) -> KvClusterStatus {
    fn part<T: DeserializeOwned + Default>(object: &DynamicObject, path: &str) -> T {
        let value = object.data.pointer(path);
        value.and_then(|value| T::deserialize(value).ok()).unwrap_or_default()
    }
    KvClusterStatus {
        rebalance: part(object, "/status/rebalance"),
        servers: part(object, "/status/servers"),
        conditions: part(object, "/status/conditions"),
        ..KvClusterStatus::default()
    }
}

fn state(told: &KvClusterStatus, has_ring: bool) -> ClusterState {
    let is = |condition: ConditionType, reason: Option<&str>| {
        told.conditions.iter().any(|known| {
            known.type_ == condition.as_str()
                && known.status == "True"
                && reason.is_none_or(|reason| known.reason == reason)
        })
    };
    let has_reason = |reason: &str| told.conditions.iter().any(|known| known.reason == reason);
    if is(ConditionType::Degraded, Some(condition_reasons::DATA_LOST)) {
        ClusterState::Lost
    } else if has_reason(condition_reasons::BOOTSTRAPPING) {
        ClusterState::Bootstrapping
    } else if !has_ring || told.conditions.is_empty() {
        ClusterState::Starting
    } else if told.rebalance.is_some() || is(ConditionType::Rebalancing, None) {
        ClusterState::Moving
    } else if is(ConditionType::Degraded, None)
        || is(ConditionType::Progressing, None)
        || !is(ConditionType::Available, None)
        || has_reason(condition_reasons::BLOCKED)
    {
        ClusterState::Blocked
    } else {
        ClusterState::Converged
    }
}

/// What is not as it shall be, in the operator's words.
fn reasons(conditions: &[Condition]) -> Vec<String> {
    let tells = |condition: &&Condition| {
        let is_true = condition.status == "True";
        match &*condition.type_ {
            "Available" => !is_true,
            "Degraded" => is_true,
            "Progressing" => is_true || condition.reason != condition_reasons::AS_SPECIFIED,
            _ => false,
        }
    };
    let text = |condition: &Condition| match &*condition.message {
        "" => condition.reason.clone(),
        message => message.to_owned(),
    };
    let mut told = BTreeSet::new();
    let texts = conditions.iter().filter(tells).map(text);
    texts.filter(|text| told.insert(text.clone())).collect()
}

/// Members in the order of joining, then the others by name.
fn servers(facts: &Facts, table: &Table, told: &[ServerState]) -> Vec<ServerStatus> {
    let document = facts.document.as_deref();
    let members = document.into_iter().flat_map(|document| &document.members);
    let names = members.map(|member| &member.name);
    let names = names.chain(told.iter().map(|server| &server.name)).chain(facts.servers.keys());
    let shares = shares(table);
    let mut listed = BTreeSet::new();
    names
        .filter(|name| listed.insert(*name))
        .map(|name| {
            let told = told.iter().find(|server| server.name == *name);
            let place = facts.servers.get(name);
            let is_ready = told.map(|told| told.ready);
            ServerStatus {
                name: name.clone(),
                incarnation: told
                    .and_then(|told| told.incarnation.clone())
                    .or_else(|| incarnation(document, name)),
                address: place.map(|place| place.addresses.resp.clone()),
                ready: is_ready.unwrap_or_else(|| place.is_some_and(|place| place.is_serving)),
                role: told.map_or_else(|| role(document, name), |told| role_of(&told.role)),
                arc_share: shares.get(&**name).copied().unwrap_or_default(),
                error: told.and_then(|told| told.error.clone()),
                ..ServerStatus::default()
            }
        })
        .collect()
}

fn incarnation(document: Option<&RingDocument>, name: &str) -> Option<String> {
    let mut listed = document?.listed();
    listed.find(|member| member.name == name).map(|member| member.incarnation.clone())
}

fn role(document: Option<&RingDocument>, name: &str) -> ServerRole {
    let listed = |members: &[ring::Member]| members.iter().any(|member| member.name == name);
    match document {
        Some(document) if listed(&document.members) => ServerRole::Member,
        Some(document) if listed(&document.leaving) => ServerRole::Leaving,
        _ => ServerRole::Joining,
    }
}

fn role_of(told: &str) -> ServerRole {
    match told {
        "Member" => ServerRole::Member,
        "Leaving" => ServerRole::Leaving,
        "Retired" => ServerRole::Retired,
        _ => ServerRole::Joining,
    }
}

/// The share of the ring that each server claims.
fn shares(table: &Table) -> BTreeMap<&str, f64> {
    let mut shares = BTreeMap::new();
    for segment in table.segments() {
        if let Owner::Claimed { node, .. } = segment.owner
            && let Some(node) = table.node(node)
        {
            *shares.entry(&*node.name).or_default() += segment.arc.share();
        }
    }
    shares
}

fn rebalance(told: &RebalanceStatus) -> Rebalance {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let servers = |number: i32| usize::try_from(number).unwrap_or_default();
    Rebalance {
        from: servers(told.from),
        to: servers(told.to),
        keys_moved: count(told.keys_moved),
        keys_total: count(told.keys_total),
        bytes_moved: count(told.bytes_moved),
        bytes_total: count(told.bytes_total),
        ..Rebalance::default()
    }
}

#[cfg(test)]
mod tests;
