//! Shell. Applies all objects of a cluster, in the order in which pods need them.

use crate::apply::ApplyError;
use crate::build::{BuildFacts, Objects, objects};
use crate::controller::Context;
use crate::facts::{Facts, SetFacts};
use crate::validate::ValidCluster;

impl Context {
    /// Brings every object of the cluster to its form, with so many server pods. Says whether
    /// the StatefulSet was written.
    pub(crate) async fn apply(
        &self,
        cluster: &ValidCluster,
        facts: &Facts,
        server_pods: i32,
    ) -> Result<bool, ApplyError> {
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
        for access in [node_access, router_access] {
            applier.apply(&watched.accounts, &access.account).await?;
            applier.apply(&watched.roles, &access.role).await?;
            applier.apply(&watched.bindings, &access.binding).await?;
        }
        for service in [node_service, router_service] {
            applier.apply(&watched.services, &service).await?;
        }
        applier.apply(&watched.budgets, &node_budget).await?;
        match router_budget {
            Some(budget) => {
                applier.apply(&watched.budgets, &budget).await?;
            }
            None => {
                let name = cluster.names().router();
                applier.remove(&watched.budgets, &cluster.namespace, &name).await?;
            }
        }
        for policy in [node_policy, router_policy] {
            applier.apply(&watched.policies, &policy).await?;
        }
        let is_set_written = applier.apply(&watched.stateful_sets, &stateful_set).await?;
        applier.apply(&watched.deployments, &router).await?;
        Ok(is_set_written)
    }
}
