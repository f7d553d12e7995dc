//! Pure. The status of the custom resource, from what has been seen and planned.

use crd::names::{Component, Names};
use crd::{
    ACCEPT_DATA_LOSS, ConditionType, KvClusterStatus, RebalanceStatus, ServerState,
    condition_reasons as reason,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use rebalance::{ClusterState, Rebalance, ServerRole, ServerStatus, Status};
use ring::{Phase, RingDocument};

use crate::facts::Facts;

/// The longest message of a condition, in characters.
const MAX_MESSAGE: usize = 1_000;

const NO_ROUTER: &str = "no router is ready; clients reach no server through the Service";

/// What the status is made from.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) names: Names<'a>,
    pub(crate) namespace: &'a str,
    pub(crate) generation: Option<i64>,
    /// The servers that are asked for.
    pub(crate) replicas: i32,
    pub(crate) cluster_id: Option<&'a str>,
    pub(crate) document: Option<&'a RingDocument>,
    pub(crate) facts: &'a Facts,
    pub(crate) status: &'a Status,
    /// Pods of an older revision, volumes that are to grow.
    pub(crate) pending: Pending,
}

/// Work that is left beside the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) outdated_pods: usize,
    pub(crate) growing_volumes: usize,
}

/// What keeps the operator from its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// `spec.paused`.
    Paused,
    /// The specification cannot be carried out.
    Invalid(String),
    /// The API server, or something else outside, refused.
    Failed(String),
}

/// A condition without its times.
#[derive(Debug)]
struct Verdict {
    of: ConditionType,
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Verdict {
    fn new(
        of: ConditionType,
        holds: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { of, holds, reason, message: message.into() }
    }

    /// With its times: of the last transition as before, where the verdict is the same.
    fn condition(
        self,
        generation: Option<i64>,
        before: Option<&KvClusterStatus>,
        now: &Time,
    ) -> Condition {
        let status = if self.holds { "True" } else { "False" };
        let known = before.and_then(|before| before.condition(self.of));
        let known = known.filter(|one| one.status == status);
        Condition {
            type_: self.of.as_str().to_owned(),
            status: status.to_owned(),
            reason: self.reason.to_owned(),
            message: shortened(&self.message),
            observed_generation: generation,
            last_transition_time: known
                .map_or_else(|| now.clone(), |known| known.last_transition_time.clone()),
        }
    }
}

/// The status as it should be told; the ring document is not part of it. Conditions that hold as
/// before keep their times.
pub(crate) fn status(
    seen: &Seen<'_>,
    before: Option<&KvClusterStatus>,
    now: &Time,
) -> KvClusterStatus {
    let ready = seen.ready_members();
    let verdicts = [seen.available(), seen.progressing(), seen.degraded(), seen.rebalancing()];
    let phase = seen.phase(&verdicts);
    let conditions = verdicts.into_iter().map(|one| one.condition(seen.generation, before, now));
    KvClusterStatus {
        observed_generation: seen.generation,
        cluster_id: seen.cluster_id.map(str::to_owned),
        replicas: to_i32(seen.facts.pods.len()),
        ready_replicas: to_i32(ready),
        ready: Some(format!("{ready}/{}", seen.replicas)),
        phase: Some(phase),
        selector: Some(seen.names.selector_text(Component::Node)),
        ring: None,
        rebalance: seen.open_rebalance().map(rebalance_status),
        servers: seen.status.servers.iter().map(|one| seen.server(one)).collect(),
        conditions: conditions.collect(),
    }
}

impl Obstacle {
    /// The status with the obstacle in it; what is not known because of it stays as it was.
    pub(crate) fn in_status(
        &self,
        status: &KvClusterStatus,
        generation: Option<i64>,
        now: &Time,
    ) -> KvClusterStatus {
        use ConditionType::{Degraded, Progressing};
        let (phase, verdicts) = match self {
            Self::Paused => {
                let message = "spec.paused is true: nothing is changed until it is false";
                (reason::PAUSED, vec![Verdict::new(Progressing, false, reason::PAUSED, message)])
            }
            Self::Invalid(why) => (
                reason::INVALID_SPEC,
                vec![
                    Verdict::new(Progressing, false, reason::INVALID_SPEC, why),
                    Verdict::new(Degraded, true, reason::INVALID_SPEC, why),
                ],
            ),
            Self::Failed(why) => (
                reason::RECONCILE_FAILED,
                vec![
                    Verdict::new(Progressing, true, reason::RECONCILE_FAILED, why),
                    Verdict::new(Degraded, true, reason::RECONCILE_FAILED, why),
                ],
            ),
        };
        let mut next = status.clone();
        next.observed_generation = generation;
        next.phase = Some(phase.to_owned());
        for verdict in verdicts {
            let condition = verdict.condition(generation, Some(status), now);
            next.conditions.retain(|one| one.type_ != condition.type_);
            next.conditions.push(condition);
        }
        next
    }
}

impl Seen<'_> {
    fn members(&self) -> impl Iterator<Item = &ServerStatus> {
        self.status.servers.iter().filter(|one| one.role == ServerRole::Member)
    }

    /// Of those that are asked for: one that leaves may be ready, too.
    fn ready_members(&self) -> usize {
        let asked_for = |one: &&ServerStatus| {
            let ordinal = self.names.ordinal(&one.name);
            ordinal.is_some_and(|ordinal| ordinal < self.replicas)
        };
        self.members().filter(|one| one.ready).filter(asked_for).count()
    }

    fn open_rebalance(&self) -> Option<&Rebalance> {
        self.status.rebalance.as_ref()
    }

    fn is_bootstrapped(&self) -> bool {
        self.document.is_some_and(|document| document.phase == Phase::Bootstrapped)
    }

    /// Servers that may own something and do not answer, each with the cause.
    fn absent(&self) -> Vec<String> {
        let listed = self
            .status
            .servers
            .iter()
            .filter(|one| matches!(one.role, ServerRole::Member | ServerRole::Leaving));
        listed
            .filter(|one| self.document.is_some_and(|document| document.lists(&one.name)))
            .filter(|one| !one.ready)
            .map(|one| format!("{} {}", one.name, self.cause(&one.name, one.error.as_deref())))
            .collect()
    }

    /// Why a server does not answer: its pod knows better than whoever tried to reach it.
    fn cause(&self, server: &str, error: Option<&str>) -> String {
        match self.facts.pods.get(server) {
            None => format!(
                "has no pod; kubectl events --for statefulset/{} says why",
                self.names.stateful_set()
            ),
            Some(pod) => match (&pod.trouble, error) {
                (Some(trouble), _) => format!("does not run: {trouble}"),
                (None, Some(error)) => format!("does not serve: {error}"),
                (None, None) => "does not serve yet".to_owned(),
            },
        }
    }

    fn available(&self) -> Verdict {
        let of = ConditionType::Available;
        if !self.is_bootstrapped() {
            let message = self.first_reason("the first ring is being made");
            return Verdict::new(of, false, reason::BOOTSTRAPPING, message);
        }
        if !self.status.lost.is_empty() {
            return Verdict::new(of, false, reason::DATA_LOST, self.loss());
        }
        let absent = self.absent();
        if !absent.is_empty() {
            return Verdict::new(of, false, reason::SERVERS_UNAVAILABLE, absent.join("; "));
        }
        if self.facts.routers_available == 0 {
            return Verdict::new(of, false, reason::ROUTERS_UNAVAILABLE, NO_ROUTER);
        }
        Verdict::new(of, true, reason::ALL_ARCS_SERVED, "every key has a server that answers")
    }

    fn progressing(&self) -> Verdict {
        let of = ConditionType::Progressing;
        if !self.is_bootstrapped() {
            let message = self.first_reason("the first ring is being made");
            return Verdict::new(of, true, reason::BOOTSTRAPPING, message);
        }
        if let Some(why) = self.blocked() {
            return Verdict::new(of, false, reason::BLOCKED, why);
        }
        if self.is_scaling() {
            return Verdict::new(of, true, reason::SCALING, self.scaling());
        }
        if self.pending.outdated_pods > 0 {
            let message = format!(
                "{} of {} server pods are still of an older specification",
                self.pending.outdated_pods,
                self.facts.pods.len()
            );
            return Verdict::new(of, true, reason::ROLLING, message);
        }
        if self.is_restarting() {
            return Verdict::new(of, true, reason::RESTARTING, "a server pod is starting");
        }
        if self.pending.growing_volumes > 0 {
            let message = format!("{} volumes are growing", self.pending.growing_volumes);
            return Verdict::new(of, true, reason::GROWING_VOLUMES, message);
        }
        Verdict::new(of, false, reason::AS_SPECIFIED, "everything is as specified")
    }

    fn degraded(&self) -> Verdict {
        let of = ConditionType::Degraded;
        if !self.status.lost.is_empty() {
            return Verdict::new(of, true, reason::DATA_LOST, self.loss());
        }
        let absent = self.absent();
        if self.is_bootstrapped() && !absent.is_empty() {
            return Verdict::new(of, true, reason::SERVERS_UNAVAILABLE, absent.join("; "));
        }
        if let Some(why) = self.blocked() {
            return Verdict::new(of, true, reason::BLOCKED, why);
        }
        if self.is_bootstrapped() && self.facts.routers_available == 0 {
            return Verdict::new(of, true, reason::ROUTERS_UNAVAILABLE, NO_ROUTER);
        }
        Verdict::new(of, false, reason::AS_SPECIFIED, "nothing is wrong")
    }

    fn rebalancing(&self) -> Verdict {
        let of = ConditionType::Rebalancing;
        match self.open_rebalance() {
            Some(open) => {
                let message = format!(
                    "{} to {} servers: {} of {} keys moved",
                    open.from, open.to, open.keys_moved, open.keys_total
                );
                Verdict::new(of, true, reason::MOVING, message)
            }
            None => Verdict::new(of, false, reason::AT_REST, "no data moves"),
        }
    }

    /// What keeps a change of size from going on, where time alone does not mend it; or puts data
    /// at risk.
    fn blocked(&self) -> Option<String> {
        let ending = self.facts.claims.iter().find(|(server, claim)| {
            claim.is_terminating && self.members().any(|one| one.name == **server)
        });
        if let Some((server, claim)) = ending {
            return Some(format!(
                "the volume claim {} is being deleted: its data goes as soon as the pod {server} \
                 ends. Do not restart it; remove the server by scaling down, which moves its data",
                claim.name
            ));
        }
        let stuck: Vec<String> = (0..self.replicas)
            .map(|ordinal| self.names.server(ordinal))
            .filter(|server| !self.members().any(|one| one.name == *server && one.ready))
            .filter_map(|server| {
                let trouble = self.facts.pods.get(&server)?.trouble.as_ref()?;
                Some(format!("{server} does not run: {trouble}"))
            })
            .collect();
        if !stuck.is_empty() {
            return Some(stuck.join("; "));
        }
        let is_starting = self.status.servers.iter().any(|one| one.incarnation.is_none());
        let is_blocked = self.status.state == ClusterState::Blocked
            && !is_starting
            && !self.status.reasons.is_empty()
            && self.absent().is_empty();
        is_blocked.then(|| self.status.reasons.join("; "))
    }

    fn is_scaling(&self) -> bool {
        let asked_for = usize::try_from(self.replicas).unwrap_or(0);
        let in_ring = self.document.map_or(0, |document| document.members.len());
        let pods = self.facts.stateful_set.as_ref().map(|set| set.replicas);
        self.open_rebalance().is_some()
            || self.status.state == ClusterState::Moving
            || in_ring != asked_for
            || pods.is_some_and(|pods| pods != self.replicas)
            || self.status.servers.iter().any(|one| one.role != ServerRole::Member)
    }

    /// Whether a pod is on its way back.
    fn is_restarting(&self) -> bool {
        let pods = &self.facts.pods;
        pods.len() != usize::try_from(self.replicas).unwrap_or(0)
            || pods.values().any(|pod| pod.is_terminating || !pod.is_ready)
    }

    fn scaling(&self) -> String {
        match self.open_rebalance() {
            Some(open) => format!("{} to {} servers, {}", open.from, open.to, progress(open)),
            None => self.first_reason(&format!("to {} servers", self.replicas)),
        }
    }

    fn first_reason(&self, otherwise: &str) -> String {
        let stuck = self.facts.pods.iter().find_map(|(server, pod)| {
            Some(format!("{server} does not run: {}", pod.trouble.as_ref()?))
        });
        stuck
            .or_else(|| self.status.reasons.first().cloned())
            .unwrap_or_else(|| otherwise.to_owned())
    }

    /// What is lost, and how to accept that.
    fn loss(&self) -> String {
        let lost = self.status.lost.iter().map(|lost| {
            let server = &lost.server;
            format!(
                "the volume {} of {} is gone, and with it {:.1} % of the ring. Bring it back; or \
                 accept that this data is lost: kubectl annotate kvcluster {} --namespace \
                 {} --overwrite {ACCEPT_DATA_LOSS}={}/{}",
                server.incarnation,
                server.name,
                lost.share * 100.0,
                self.names.0,
                self.namespace,
                server.name,
                server.incarnation
            )
        });
        lost.collect::<Vec<_>>().join("; ")
    }

    /// What the cluster is doing, in a few words.
    fn phase(&self, verdicts: &[Verdict]) -> String {
        let [available, progressing, degraded, _] = verdicts else { return String::new() };
        let is_away = [reason::SERVERS_UNAVAILABLE, reason::ROUTERS_UNAVAILABLE];
        if degraded.holds && !is_away.contains(&degraded.reason) {
            return degraded.reason.to_owned();
        }
        match progressing.reason {
            reason::BOOTSTRAPPING
            | reason::ROLLING
            | reason::GROWING_VOLUMES
            | reason::RESTARTING => progressing.reason.to_owned(),
            reason::SCALING => match self.open_rebalance() {
                Some(open) => format!("Scaling {} to {}", open.from, open.to),
                None => "Scaling".to_owned(),
            },
            _ if !available.holds => available.reason.to_owned(),
            _ => "Running".to_owned(),
        }
    }

    fn server(&self, one: &ServerStatus) -> ServerState {
        let role = match one.role {
            ServerRole::Joining => "Joining",
            ServerRole::Member => "Member",
            ServerRole::Leaving => "Leaving",
            ServerRole::Retired => "Retired",
        };
        ServerState {
            name: one.name.clone(),
            incarnation: one.incarnation.clone(),
            role: role.to_owned(),
            ready: one.ready,
            share: format!("{:.1} %", one.arc_share * 100.0),
            error: (!one.ready).then(|| self.cause(&one.name, one.error.as_deref())),
        }
    }
}

fn rebalance_status(open: &Rebalance) -> RebalanceStatus {
    let unfinished = open.handoffs.iter().filter(|handoff| !handoff.state.is_over());
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    RebalanceStatus {
        from: to_i32(open.from),
        to: to_i32(open.to),
        progress: progress(open),
        keys_moved: count(open.keys_moved),
        keys_total: count(open.keys_total),
        bytes_moved: count(open.bytes_moved),
        bytes_total: count(open.bytes_total),
        handoffs_open: to_i32(unfinished.count()),
    }
}

/// In percent; the totals are estimates, so it stays below 100 until all is done.
fn progress(open: &Rebalance) -> String {
    let percent = open.bytes_moved.saturating_mul(100).checked_div(open.bytes_total).unwrap_or(0);
    format!("{} %", percent.min(99))
}

fn shortened(message: &str) -> String {
    if message.chars().count() <= MAX_MESSAGE {
        return message.to_owned();
    }
    message.chars().take(MAX_MESSAGE).chain("...".chars()).collect()
}

fn to_i32(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
