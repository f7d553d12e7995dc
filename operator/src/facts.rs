//! Pure. What the operator has seen of one cluster: pods, volume claims, the StatefulSet.

use std::collections::BTreeMap;

use crd::names::{DATA_VOLUME, NODE_HTTP_PORT, NODE_PEER_PORT, NODE_RESP_PORT, Names};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, PersistentVolumeClaim, Pod, PodStatus};
use kube::ResourceExt;
use node_api::ServerAddresses;

/// On the claim of a server that retired: `<incarnation>`; `unused` if it never joined. No other
/// claim that ever had a volume is deleted.
pub(crate) const RETIRED: &str = "ringkv.dev/retired";

/// A server that is killed comes back; one that ends so often does not by itself.
const CRASHES_TOLERATED: i32 = 2;

const REVISION_LABEL: &str = "controller-revision-hash";

/// What is there of one cluster, the custom resource aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) stateful_set: Option<SetFacts>,
    /// Server pods by name.
    pub(crate) pods: BTreeMap<String, PodFacts>,
    /// Volume claims by the name of the server.
    pub(crate) claims: BTreeMap<String, ClaimFacts>,
    /// Routers that answer clients.
    pub(crate) routers_available: i32,
}

/// The StatefulSet of the servers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetFacts {
    pub(crate) resource_version: Option<String>,
    pub(crate) replicas: i32,
    /// The revision of the present template, once the StatefulSet controller has seen it.
    pub(crate) update_revision: Option<String>,
    /// What its claim template asks for; it cannot be changed.
    pub(crate) claim_size: Option<String>,
}

/// The pod of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    pub(crate) revision: String,
    pub(crate) is_ready: bool,
    pub(crate) is_terminating: bool,
    pub(crate) address: Option<String>,
    /// Whether its process runs at this moment.
    pub(crate) is_running: bool,
    /// Why it does not run: not scheduled, no image, crashes.
    pub(crate) trouble: Option<String>,
}

/// The volume claim of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ClaimFacts {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) is_terminating: bool,
    /// Whether it ever had a volume.
    pub(crate) is_bound: bool,
    /// The incarnation that retired on it.
    pub(crate) retired: Option<String>,
    /// The size that is asked for.
    pub(crate) size: String,
    /// The cluster whose volume it is.
    pub(crate) cluster_id: Option<String>,
    /// The UIDs of those with whom it goes.
    pub(crate) owners: Vec<String>,
}

impl SetFacts {
    pub(crate) fn of(set: &StatefulSet) -> Self {
        let spec = set.spec.as_ref();
        let status = set.status.as_ref();
        let is_seen =
            status.and_then(|status| status.observed_generation) == set.metadata.generation;
        let claim = spec.and_then(|spec| spec.volume_claim_templates.as_ref()?.first());
        Self {
            resource_version: set.metadata.resource_version.clone(),
            replicas: spec.and_then(|spec| spec.replicas).unwrap_or(0),
            update_revision: status
                .filter(|_| is_seen)
                .and_then(|status| status.update_revision.clone()),
            claim_size: claim.map(requested_size),
        }
    }

    /// What the claim template asks for.
    pub(crate) fn claim_size(&self) -> Option<&str> {
        self.claim_size.as_deref()
    }
}

impl PodFacts {
    pub(crate) fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let is_ready = conditions.is_some_and(|conditions| {
            conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
        });
        let ended = matches!(
            status.and_then(|status| status.phase.as_deref()),
            Some("Failed" | "Succeeded")
        );
        Self {
            uid: pod.uid().unwrap_or_default(),
            revision: pod.labels().get(REVISION_LABEL).cloned().unwrap_or_default(),
            is_ready,
            is_terminating: pod.metadata.deletion_timestamp.is_some(),
            address: status.filter(|_| !ended).and_then(|status| status.pod_ip.clone()),
            is_running: status.is_some_and(is_running),
            trouble: trouble(pod).filter(|_| !is_ready),
        }
    }
}

fn is_running(status: &PodStatus) -> bool {
    let mut containers = status.container_statuses.iter().flatten();
    containers.any(|one| one.state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// What keeps a pod from running, in the words of scheduler or kubelet; not what passes by itself.
fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let unscheduled = status.conditions.iter().flatten().find(|one| {
        one.type_ == "PodScheduled"
            && one.status == "False"
            && one.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unscheduled {
        let why = condition.message.as_deref().unwrap_or("no reason given");
        return Some(format!("it is not scheduled: {why}"));
    }
    status.container_statuses.iter().flatten().find_map(container_trouble)
}

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let ended = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    if let Some(ended) = ended.filter(|_| container.restart_count >= CRASHES_TOLERATED) {
        let code = ended.exit_code;
        return Some(format!(
            "it keeps ending, with code {code}; kubectl logs --previous says why"
        ));
    }
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().filter(|reason| {
        !matches!(*reason, "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff")
    })?;
    Some(match &waiting.message {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    })
}

impl ClaimFacts {
    pub(crate) fn of(claim: &PersistentVolumeClaim) -> Self {
        let spec = claim.spec.as_ref();
        Self {
            name: claim.name_any(),
            uid: claim.uid().unwrap_or_default(),
            resource_version: claim.resource_version().unwrap_or_default(),
            is_terminating: claim.metadata.deletion_timestamp.is_some(),
            is_bound: spec.is_some_and(|spec| spec.volume_name.is_some()),
            retired: claim.annotations().get(RETIRED).cloned(),
            size: requested_size(claim),
            cluster_id: claim.labels().get(crd::names::CLUSTER_ID_LABEL).cloned(),
            owners: claim.owner_references().iter().map(|owner| owner.uid.clone()).collect(),
        }
    }

    /// The server whose claim it is.
    pub(crate) fn server(names: Names<'_>, claim: &str) -> Option<String> {
        let server = claim.strip_prefix(DATA_VOLUME)?.strip_prefix('-')?;
        names.ordinal(server).map(|_| server.to_owned())
    }
}

fn requested_size(claim: &PersistentVolumeClaim) -> String {
    let size = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
    size.map(|size| size.0.clone()).unwrap_or_default()
}

impl Facts {
    /// Whether the server of every volume has an address. Without a ring document nothing may be
    /// concluded before: any volume may have the latest, and any may have data.
    pub(crate) fn all_volumes_answer(&self) -> bool {
        let mut used = self.claims.iter().filter(|(_, one)| one.is_bound && !one.is_terminating);
        used.all(|(server, _)| self.pods.get(server).is_some_and(|pod| pod.address.is_some()))
    }

    /// Where each server is reached whose pod has an address.
    pub(crate) fn addresses(&self) -> BTreeMap<String, ServerAddresses> {
        let reached = self.pods.iter().filter_map(|(name, pod)| {
            let address = pod.address.as_deref()?;
            Some((name.clone(), server_addresses(address)))
        });
        reached.collect()
    }
}

fn server_addresses(ip: &str) -> ServerAddresses {
    let at = |port: u16| {
        if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
    };
    ServerAddresses { resp: at(NODE_RESP_PORT), http: at(NODE_HTTP_PORT), peer: at(NODE_PEER_PORT) }
}

#[cfg(test)]
mod tests;
