//! Pure. From what is there and what is wanted to the next steps on pods and volumes.
//!
//! The plan is made anew from facts each time. What moves data is planned elsewhere, by the
//! coordinator of the ring; here it is decided which servers it shall bring together, how many pods
//! there have to be for that, which pod may be replaced now, and which volume may go.

use std::collections::{BTreeMap, BTreeSet};

use crd::PvcRetention;
use crd::names::Names;
use planted::Bug;
use rebalance::{ClusterState, ServerRole, ServerStatus, Status};
use ring::RingDocument;

use crate::facts::{ClaimFacts, Facts, PodFacts};

/// In the place of an incarnation: the server never joined.
const UNUSED: &str = "unused";

/// What a plan is made from.
#[derive(Clone, Copy)]
pub(crate) struct PlanInput<'a> {
    pub(crate) names: Names<'a>,
    /// The servers that are asked for.
    pub(crate) replicas: i32,
    pub(crate) when_scaled: PvcRetention,
    pub(crate) when_deleted: PvcRetention,
    /// Of the resource, with which volumes go that shall.
    pub(crate) uid: &'a str,
    /// The cluster's name for its volumes.
    pub(crate) cluster_id: &'a str,
    /// The size of volumes that is asked for, in bytes.
    pub(crate) storage_bytes: u128,
    pub(crate) facts: &'a Facts,
    /// The committed ring document; `None` before the first.
    pub(crate) document: Option<&'a RingDocument>,
    /// What the coordinator says of the servers.
    pub(crate) status: &'a Status,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The servers that shall share the ring.
    pub(crate) members: Vec<String>,
    /// How many pods the StatefulSet shall have.
    pub(crate) pods: i32,
    /// Steps that do not depend on each other.
    pub(crate) steps: Vec<Step>,
    /// Pods that are still of an older revision.
    pub(crate) outdated_pods: usize,
}

/// One thing to do to one pod or volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Note on the claim that its server retired, as this incarnation, or never joined.
    MarkRetired { server: String, claim: ClaimRef, incarnation: String },
    /// Have the claim deleted with the cluster, or not.
    OwnClaim { claim: ClaimRef, is_owned: bool },
    /// Take the note back: the server is wanted again.
    Unmark { server: String, claim: ClaimRef },
    /// Delete the claim of a server that retired, or never joined.
    DeleteClaim { server: String, claim: ClaimRef },
    /// Ask for the new size.
    GrowClaim { server: String, claim: ClaimRef },
    /// Delete the pod, so that it comes back by the present specification.
    ReplacePod { server: String, uid: String, is_broken: bool },
}

/// Which claim, at which version: whoever acts on it says both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimRef {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

impl From<&ClaimFacts> for ClaimRef {
    fn from(claim: &ClaimFacts) -> Self {
        Self {
            name: claim.name.clone(),
            uid: claim.uid.clone(),
            resource_version: claim.resource_version.clone(),
        }
    }
}

/// What to do next.
pub(crate) fn plan(input: &PlanInput<'_>) -> Plan {
    let planner = Planner {
        input,
        servers: input.status.servers.iter().map(|one| (&*one.name, one)).collect(),
    };
    let mut steps = Vec::new();
    let pods = planner.pods(&mut steps);
    planner.settle_claims(pods, &mut steps);
    steps.extend(planner.replacement());
    let outdated_pods = planner.of_older_revision().count();
    Plan { members: planner.members(), pods, steps, outdated_pods }
}

struct Planner<'a> {
    input: &'a PlanInput<'a>,
    servers: BTreeMap<&'a str, &'a ServerStatus>,
}

impl Planner<'_> {
    /// The servers by number; without one whose volume is on its way out, until that is settled.
    fn members(&self) -> Vec<String> {
        let wanted = (0..self.input.replicas).map(|number| self.input.names.server(number));
        wanted
            .filter(|server| {
                let claim = self.input.facts.claims.get(server);
                self.is_listed(server)
                    || claim.is_none_or(|claim| !claim.is_terminating && claim.retired.is_none())
            })
            .collect()
    }

    /// How many pods there have to be: for the servers that are wanted, and for those that may
    /// still own something. The highest may go only one after the other, each once it may.
    fn pods(&self, steps: &mut Vec<Step>) -> i32 {
        let needed = self.input.replicas.max(self.listed_pods()).max(self.volumes_to_read());
        let Some(set) = &self.input.facts.stateful_set else { return needed };
        if planted::is(Bug::ScaleSetBeforeDrainReport) {
            return self.input.replicas;
        }
        let mut pods = set.replicas;
        while pods < needed && !self.is_claim_ending(&self.input.names.server(pods)) {
            pods += 1;
        }
        while pods > needed && self.is_heard() {
            let server = self.input.names.server(pods - 1);
            if !self.may_go(&server) {
                break;
            }
            if let Some(step) = self.mark(&server) {
                steps.push(step);
                break;
            }
            pods -= 1;
        }
        pods
    }

    /// Pods up to the highest server that the ring document lists.
    fn listed_pods(&self) -> i32 {
        let listed = self.input.document.into_iter().flat_map(RingDocument::listed);
        self.pods_up_to(listed.map(|member| &member.name))
    }

    /// Without a ring document all volumes that are there have to be read: they know the last one.
    fn volumes_to_read(&self) -> i32 {
        if self.input.document.is_some() {
            return 0;
        }
        let claims = self.input.facts.claims.iter();
        let used = claims.filter(|(_, claim)| claim.is_bound && !claim.is_terminating);
        self.pods_up_to(used.map(|(server, _)| server))
    }

    fn pods_up_to<'s>(&self, servers: impl Iterator<Item = &'s String>) -> i32 {
        let ordinals = servers.filter_map(|server| self.input.names.ordinal(server));
        ordinals.max().map_or(0, |highest| highest.saturating_add(1))
    }

    fn is_listed(&self, server: &str) -> bool {
        self.input.document.is_some_and(|document| document.lists(server))
    }

    fn is_wanted(&self, server: &str) -> bool {
        let ordinal = self.input.names.ordinal(server);
        ordinal.is_some_and(|ordinal| ordinal < self.input.replicas)
    }

    /// Whether the pod of a server may go. Whoever is in no ring document owns nothing: a volume
    /// is struck from it only once it has retired or is declared lost. One that answers is
    /// retired first all the same; one that does not (it was never scheduled, say) is not waited
    /// for.
    fn may_go(&self, server: &str) -> bool {
        if self.input.document.is_none() || self.is_listed(server) || self.is_wanted(server) {
            return false;
        }
        let pod = self.input.facts.pods.get(server);
        match self.servers.get(server) {
            Some(status) if status.role == ServerRole::Retired => true,
            // It is silent: what it might own, somebody else is known to own.
            Some(status) => status.incarnation.is_none() && self.is_settled(),
            None => pod.is_none_or(|pod| pod.address.is_none()) && self.is_settled(),
        }
    }

    /// Whether every point has an owner that answers, by the ring document.
    fn is_settled(&self) -> bool {
        self.input.status.state == ClusterState::Converged && self.input.status.lost.is_empty()
    }

    /// Whether the coordinator has taken note of which servers are wanted: no ring document that
    /// lists others is being committed.
    fn is_heard(&self) -> bool {
        let wished: BTreeSet<&String> = self.input.status.wished.iter().collect();
        self.members().iter().collect::<BTreeSet<_>>() == wished
    }

    /// The claim of a server that retired is marked before its pod goes, where it shall go too; so
    /// is that of a server that never joined, if the claim was made for this cluster.
    fn mark(&self, server: &str) -> Option<Step> {
        let claim = self.input.facts.claims.get(server)?;
        let status = self.servers.get(server).filter(|one| one.role == ServerRole::Retired);
        match status {
            Some(status) => self.mark_as(server, claim, status.incarnation.clone()?),
            None => self.mark_unused(server, claim),
        }
    }

    /// Notes on a claim that was made for this cluster that its server never joined.
    fn mark_unused(&self, server: &str, claim: &ClaimFacts) -> Option<Step> {
        let is_ours = claim.cluster_id.as_deref() == Some(self.input.cluster_id);
        (is_ours && claim.retired.is_none())
            .then(|| self.mark_as(server, claim, UNUSED.to_owned()))
            .flatten()
    }

    fn mark_as(&self, server: &str, claim: &ClaimFacts, incarnation: String) -> Option<Step> {
        let is_due = self.input.when_scaled == PvcRetention::Delete
            && !claim.is_terminating
            && claim.retired.as_ref() != Some(&incarnation);
        is_due.then(|| Step::MarkRetired {
            server: server.to_owned(),
            claim: claim.into(),
            incarnation,
        })
    }

    fn is_claim_ending(&self, server: &str) -> bool {
        self.input.facts.claims.get(server).is_some_and(|claim| claim.is_terminating)
    }

    /// What becomes of each claim, with so many pods.
    fn settle_claims(&self, pods: i32, steps: &mut Vec<Step>) {
        for (server, claim) in &self.input.facts.claims {
            let Some(ordinal) = self.input.names.ordinal(server) else { continue };
            if claim.is_terminating {
                continue;
            }
            steps.extend(self.ownership(server, claim));
            let is_kept = self.is_wanted(server) || self.is_listed(server);
            if is_kept {
                if claim.retired.is_some() {
                    steps.push(Step::Unmark { server: server.clone(), claim: claim.into() });
                } else if claim.is_bound
                    && bytes(&claim.size).is_some_and(|size| size < self.input.storage_bytes)
                {
                    steps.push(Step::GrowClaim { server: server.clone(), claim: claim.into() });
                }
            } else if ordinal >= pods && self.may_delete_claim(server, ordinal, claim) {
                steps.push(Step::DeleteClaim { server: server.clone(), claim: claim.into() });
            } else if ordinal >= pods && self.input.document.is_some() && !claim.is_bound {
                // Made too late to be marked before its pod went. Nothing can be on it yet, but it
                // may still be bound.
                steps.extend(self.mark_unused(server, claim));
            }
        }
    }

    /// Whether a claim goes with the cluster. While a pod is being scheduled the scheduler writes
    /// its claim, and is not disturbed.
    fn ownership(&self, server: &str, claim: &ClaimFacts) -> Option<Step> {
        let pod = self.input.facts.pods.get(server);
        let is_at_rest = claim.is_bound || pod.is_none_or(|pod| pod.trouble.is_some());
        let is_owned = self.input.when_deleted == PvcRetention::Delete;
        let is_ours = claim.cluster_id.as_deref() == Some(self.input.cluster_id);
        let differs = claim.owners.iter().any(|uid| uid == self.input.uid) != is_owned;
        (is_ours && is_at_rest && differs).then(|| Step::OwnClaim { claim: claim.into(), is_owned })
    }

    /// Only a volume whose server retired or never joined, by its mark, and only once nothing uses
    /// it.
    fn may_delete_claim(&self, server: &str, ordinal: i32, claim: &ClaimFacts) -> bool {
        let facts = self.input.facts;
        self.input.document.is_some()
            && self.input.when_scaled == PvcRetention::Delete
            && claim.retired.is_some()
            && !facts.pods.contains_key(server)
            && facts.stateful_set.as_ref().is_some_and(|set| ordinal >= set.replicas)
    }

    fn of_older_revision(&self) -> impl Iterator<Item = (&String, &PodFacts)> {
        let set = self.input.facts.stateful_set.as_ref();
        let revision = set.and_then(|set| set.update_revision.as_deref());
        let pods = self.input.facts.pods.iter();
        pods.filter(move |(_, pod)| revision.is_some_and(|revision| pod.revision != revision))
    }

    /// Pods of an older revision that are not on their way out yet. One whose claim is being
    /// deleted is spared: its data would go with it.
    fn outdated(&self) -> impl Iterator<Item = (&String, &PodFacts)> {
        self.of_older_revision()
            .filter(|(server, pod)| !pod.is_terminating && !self.is_claim_ending(server))
    }

    /// The pod to replace now, if one may be: broken ones of an older revision at once, others one
    /// at a time and only while every server serves what it owns and nothing moves.
    fn replacement(&self) -> Option<Step> {
        let step = |(server, pod): (&String, &PodFacts), is_broken| Step::ReplacePod {
            server: server.clone(),
            uid: pod.uid.clone(),
            is_broken,
        };
        if let Some(broken) = self.outdated().find(|(_, pod)| self.is_broken(pod)) {
            return Some(step(broken, true));
        }
        // Whoever leaves is spared the way: it goes anyway.
        let staying = self.outdated().filter(|(server, _)| self.is_wanted(server));
        let highest = staying.max_by_key(|(server, _)| self.input.names.ordinal(server));
        highest.filter(|_| self.is_quiet()).map(|pod| step(pod, false))
    }

    /// Whether a pod does not get to run: replacing it takes nothing away. One that is merely not
    /// ready may be recovering, and is waited for.
    fn is_broken(&self, pod: &PodFacts) -> bool {
        !pod.is_ready && !pod.is_running && pod.trouble.is_some()
    }

    /// Whether one server may be away for a moment: all others are there, and nothing moves.
    fn is_quiet(&self) -> bool {
        let (facts, status) = (self.input.facts, self.input.status);
        let moving = status.rebalance.as_ref().is_some_and(|rebalance| {
            rebalance.handoffs.iter().any(|handoff| !handoff.state.is_over())
        });
        let serves = |name: &String| {
            self.servers.get(&**name).is_some_and(|one| one.ready)
                && facts.pods.get(name).is_some_and(|pod| pod.is_ready)
        };
        !moving
            && facts.pods.values().all(|pod| !pod.is_terminating)
            && self.input.document.is_some_and(|document| {
                // A ring document has a member at least.
                document.leaving.is_empty() && document.members.iter().all(|one| serves(&one.name))
            })
    }
}

/// A quantity of Kubernetes in bytes; `None` where it is none.
pub(crate) fn bytes(quantity: &str) -> Option<u128> {
    let digits = quantity.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(digits);
    let factor: u128 = match suffix {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "E" => 1_000_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        "Ei" => 1 << 60,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 =
        if whole.is_empty() && !fraction.is_empty() { 0 } else { whole.parse().ok()? };
    let bytes = whole.checked_mul(factor)?;
    if fraction.is_empty() {
        return Some(bytes);
    }
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = fraction.parse::<u128>().ok()?.checked_mul(factor)?.div_ceil(scale);
    bytes.checked_add(part)
}

#[cfg(test)]
mod tests;
