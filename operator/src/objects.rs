//! Shell. Applies all objects of a cluster, in the order in which pods need them.

use crate::apply::{ApplyError, Outcome};
use crate::build::{BuildFacts, Objects, objects};
use crate::controller::Context;
use crate::facts::{Facts, SetFacts};
use crate::validate::ValidCluster;

/// What came of applying.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Whether the StatefulSet was written.
    pub(crate) is_set_written: bool,
    /// Whether an object was not as it was looked at: it is to be looked again.
    pub(crate) has_changed: bool,
    /// The first refusal.
    pub(crate) refused: Option<ApplyError>,
}

impl Applied {
    /// Whether something was written.
    fn note(&mut self, result: Result<Outcome, ApplyError>) -> bool {
        match result {
            Ok(outcome) => {
                self.has_changed |= outcome == Outcome::Changed;
                outcome == Outcome::Written
            }
            Err(error) => {
                self.refused.get_or_insert(error);
                false
            }
        }
    }
}

impl Context {
    /// Brings every object of the cluster to its form, with so many server pods. One that is
    /// refused keeps none of the others from it.
    pub(crate) async fn apply(
        &self,
        cluster: &ValidCluster,
        facts: &Facts,
        server_pods: i32,
    ) -> Applied {
        let claim_size = facts.stateful_set.as_ref().and_then(SetFacts::claim_size);
        let Objects {
            node_access,
            router_access,
            node_service,
            router_service,
            node_budget,
            router_budget,
            node_policy,
            router_policy,
            stateful_set,
            router,
        } = objects(
            cluster,
            &BuildFacts { server_pods, claim_size, operator_namespace: &self.config.own_namespace },
        );
        let (watched, applier) = (&self.watched, &self.applier);
        let mut applied = Applied::default();
        for access in [node_access, router_access] {
            applied.note(applier.apply(&watched.accounts, &access.account).await);
            applied.note(applier.apply(&watched.roles, &access.role).await);
            applied.note(applier.apply(&watched.bindings, &access.binding).await);
        }
        for service in [node_service, router_service] {
            applied.note(applier.apply(&watched.services, &service).await);
        }
        applied.note(applier.apply(&watched.budgets, &node_budget).await);
        match router_budget {
            Some(budget) => {
                applied.note(applier.apply(&watched.budgets, &budget).await);
            }
            None => {
                let name = cluster.names().router();
                let removed = applier.remove(&watched.budgets, &cluster.namespace, &name).await;
                applied.note(removed);
            }
        }
        for policy in [node_policy, router_policy] {
            applied.note(applier.apply(&watched.policies, &policy).await);
        }
        // How many pods there shall be follows from how many there were: an older number would
        // bring back pods that have gone.
        let version = facts.stateful_set.as_ref().and_then(|set| set.resource_version.as_deref());
        let written = applier.apply_to(version, &watched.stateful_sets, &stateful_set).await;
        applied.is_set_written = applied.note(written);
        applied.note(applier.apply(&watched.deployments, &router).await);
        applied
    }
}
