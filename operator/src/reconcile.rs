//! Shell. One look at one cluster, in steps: observe, validate, coordinate, plan, apply, act, tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crd::names::{COMPONENT_LABEL, Component, Names};
use crd::{AcceptedLoss, KvCluster, KvClusterStatus};
use handoff::Server;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use node_api::ServerAddresses;
use rebalance::{Coordinator, RingStoreError, Status};
use ring::RingDocument;

use crate::access::{Access, AccessError};
use crate::act::{Actor, StepError, Taken};
use crate::apply::ApplyError;
use crate::controller::{Context, key};
use crate::coordinators::{Key, Settings};
use crate::facts::{ClaimFacts, Facts, PodFacts, SetFacts};
use crate::identity::IdentityError;
use crate::news::News;
use crate::plan::{Plan, PlanInput, Step, plan};
use crate::refusal::in_words;
use crate::status::{Obstacle, Pending, Seen};
use crate::validate::{ValidCluster, validate};
use crate::watches::{Cluster, of_cluster};

/// Pause before another look where what was seen has changed meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Why a cluster could not be brought to its form; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    /// The watches have ended.
    #[error("the watches have ended")]
    Ending,
    /// Which volumes are its own is not known.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its secrets are not there.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The ring document cannot be had.
    #[error(transparent)]
    Ring(#[from] RingStoreError),
    /// An object could not be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A pod or volume claim could not be changed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The status could not be written.
    #[error("cannot tell the status: {}", in_words(.0))]
    Tell(#[source] kube::Error),
}

/// Brings a cluster one step nearer to its specification.
pub(crate) async fn reconcile(
    object: Arc<Cluster>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    if !context.watched.is_filled().await {
        return Err(ReconcileError::Ending);
    }
    let key = key(&object);
    if object.meta().deletion_timestamp.is_some() {
        context.forget(&key);
        return Ok(Action::await_change());
    }
    match &object.0 {
        Ok(cluster) => {
            let look = Look { context: &context, object: &object, cluster, key };
            look.bring().await
        }
        Err(invalid) => {
            context.coordinators.stop(&key);
            let why = format!("it cannot be read: {}; change or delete it", invalid.error);
            Ok(after(context.tell_unreadable(&object, why).await?))
        }
    }
}

/// The next look comes with a change; or soon, where this one was not to its end.
fn after(is_done: bool) -> Action {
    if is_done { Action::await_change() } else { Action::requeue(LOOK_AGAIN) }
}

/// One look at one cluster.
struct Look<'a> {
    context: &'a Context,
    object: &'a Cluster,
    cluster: &'a KvCluster,
    key: Key,
}

impl Look<'_> {
    async fn bring(&self) -> Result<Action, ReconcileError> {
        let before = self.before();
        if self.cluster.spec.paused {
            self.context.coordinators.stop(&self.key);
            return Ok(after(self.context.tell(self.object, before, Obstacle::Paused).await?));
        }
        let id = match self.context.cluster_id(self.cluster).await {
            Ok(id) => id,
            Err(error) => return self.failed(error.into()).await,
        };
        let valid = match validate(self.cluster, id, &self.context.config.image) {
            Ok(valid) => valid,
            Err(error) => {
                // Servers that come back elsewhere are found all the same.
                self.context.coordinators.relocate(&self.key, self.observe().addresses());
                let obstacle = Obstacle::Invalid(error.to_string());
                return Ok(after(self.context.tell(self.object, before, obstacle).await?));
            }
        };
        match self.carry_out(&valid).await {
            Ok(is_done) => Ok(after(is_done)),
            Err(error) => self.failed(error).await,
        }
    }

    /// Tells what went wrong; it is tried again.
    async fn failed(&self, error: ReconcileError) -> Result<Action, ReconcileError> {
        let obstacle = Obstacle::Failed(error.to_string());
        self.context.tell(self.object, self.before(), obstacle).await?;
        Err(error)
    }

    fn before(&self) -> Option<KvClusterStatus> {
        self.context.told(&self.key).or_else(|| self.cluster.status.clone())
    }

    fn names(&self) -> Names<'_> {
        Names(&self.key.1)
    }

    /// False where something has changed meanwhile, so that it has to be looked again.
    async fn carry_out(&self, valid: &ValidCluster) -> Result<bool, ReconcileError> {
        let facts = self.observe();
        let access = self.context.access(valid).await?;
        let settings = self.settings(valid, &access);
        let initial = (0..self.cluster.spec.replicas).map(|one| self.names().server(one)).collect();
        let coordinators = &self.context.coordinators;
        self.restart_without_ring().await?;
        let addresses = self.addresses(&facts);
        let coordinator = coordinators.ensure(&self.key, &settings, initial, addresses).await?;
        self.accept_losses(&coordinator).await;
        let status = coordinator.status();
        let membership = coordinator.watch_membership().borrow().clone();
        let document = membership.as_ref().map(|membership| &membership.document);
        let plan = self.plan(valid, &facts, document, &status);
        if let Err(error) = coordinator.set_members(&plan.members) {
            tracing::debug!(%error, "the servers cannot be asked for yet");
        }
        let applied = Box::pin(self.context.apply(valid, &facts, plan.pods)).await;
        let pods = facts.stateful_set.as_ref().map(|set| set.replicas);
        let rescaled = pods.filter(|before| applied.is_set_written && *before != plan.pods);
        if let Some(before) = rescaled {
            let note = format!("{before} to {} server pods", plan.pods);
            let news = News::normal("PodsScaled", format!("Pods{before}To{}", plan.pods), note);
            self.context.publish(self.object, news).await;
        }
        let actor = Actor {
            client: &self.context.client,
            namespace: &self.key.0,
            names: self.names(),
            uid: &settings.uid,
            storage_size: &self.cluster.spec.storage.size,
        };
        let mut refused = applied.refused.map(ReconcileError::from);
        let mut is_done = !applied.has_changed;
        for step in &plan.steps {
            match actor.take(step).await {
                Ok(Taken::Done(Some(news))) => self.context.publish(self.object, news).await,
                Ok(Taken::Done(None)) => {}
                Ok(Taken::Changed) => is_done = false,
                // It keeps none of the others from being taken.
                Err(error) => refused = refused.or(Some(error.into())),
            }
        }
        let is_new = applied.is_set_written && facts.stateful_set.is_some() && rescaled.is_none();
        let next = self.status(valid, &facts, &plan, document, &status, is_new);
        let Some(refused) = refused else {
            let is_told =
                self.context.tell_status(self.object, self.before(), next, &status).await?;
            return Ok(is_done && is_told);
        };
        let obstacle = Obstacle::Failed(refused.to_string());
        let next = obstacle.in_status(&next, self.object.meta().generation, &crate::tell::now());
        self.context.tell_status(self.object, self.before(), next, &status).await?;
        Err(refused)
    }

    /// Where the servers are. Without a ring document the coordinator begins only once every
    /// volume that there is can be asked for its past.
    fn addresses(&self, facts: &Facts) -> BTreeMap<String, ServerAddresses> {
        let status = self.cluster.status.as_ref();
        let is_known = status.is_some_and(|status| status.ring.is_some())
            || self.context.coordinators.has_ring(&self.key);
        if is_known || facts.all_volumes_answer() { facts.addresses() } else { BTreeMap::new() }
    }

    /// A ring document that somebody has removed is made anew from what the servers recorded: by
    /// a coordinator that does not know it.
    async fn restart_without_ring(&self) -> Result<(), ReconcileError> {
        let is_seen = self.cluster.status.as_ref().is_some_and(|status| status.ring.is_some());
        if is_seen || !self.context.coordinators.has_ring(&self.key) {
            return Ok(());
        }
        let clusters: Api<KvCluster> = Api::namespaced(self.context.client.clone(), &self.key.0);
        let live = clusters.get(&self.key.1).await.map_err(ReconcileError::Tell)?;
        if live.status.is_none_or(|status| status.ring.is_none()) {
            tracing::warn!(name = self.key.1, "status.ring is gone; it is made anew");
            self.context.forget(&self.key);
        }
        Ok(())
    }

    fn plan(
        &self,
        valid: &ValidCluster,
        facts: &Facts,
        document: Option<&RingDocument>,
        status: &Status,
    ) -> Plan {
        plan(&PlanInput {
            names: self.names(),
            replicas: self.cluster.spec.replicas,
            when_scaled: self.cluster.spec.pvc_retention_policy.when_scaled,
            when_deleted: self.cluster.spec.pvc_retention_policy.when_deleted,
            uid: &valid.uid,
            cluster_id: &valid.cluster_id.to_string(),
            storage_bytes: valid.storage_bytes,
            facts,
            document,
            status,
        })
    }

    /// What is there, from what is watched.
    fn observe(&self) -> Facts {
        let (namespace, name) = (&*self.key.0, &*self.key.1);
        let watched = &self.context.watched;
        let names = self.names();
        let set = ObjectRef::new(&names.stateful_set()).within(namespace);
        let set = watched.stateful_sets.get(&set);
        let pods = of_cluster(&watched.pods, namespace, name);
        let component = |pod: &Pod| pod.labels().get(COMPONENT_LABEL).cloned();
        let is_node = |pod: &Pod| component(pod).as_deref() == Some(Component::Node.as_str());
        let pods = pods.iter().filter(|pod| is_node(pod));
        let pods = pods.filter(|pod| names.ordinal(&pod.name_any()).is_some());
        let claims = of_cluster(&watched.claims, namespace, name);
        let claims = claims.iter().filter_map(|claim| {
            Some((ClaimFacts::server(names, &claim.name_any())?, ClaimFacts::of(claim)))
        });
        let routers = ObjectRef::new(&names.router()).within(namespace);
        let routers = watched.deployments.get(&routers);
        Facts {
            stateful_set: set.map(|set| SetFacts::of(&set)),
            pods: pods.map(|pod| (pod.name_any(), PodFacts::of(pod))).collect(),
            claims: claims.collect(),
            routers_available: routers
                .and_then(|routers| routers.status.as_ref()?.available_replicas)
                .unwrap_or(0),
        }
    }

    fn settings(&self, valid: &ValidCluster, access: &Access) -> Settings {
        let spec = &self.cluster.spec;
        Settings {
            uid: self.cluster.uid().unwrap_or_default(),
            cluster: valid.cluster_id,
            placement: match spec.placement {
                crd::Placement::Classic => ring::Placement::Classic,
                crd::Placement::Balanced => ring::Placement::Balanced,
            },
            virtual_nodes: u16::try_from(spec.virtual_nodes).unwrap_or(1),
            parallel_handoffs: usize::try_from(spec.rebalance.parallel_handoffs).unwrap_or(1),
            max_bytes_per_second: spec
                .rebalance
                .max_bytes_per_second
                .and_then(|bound| u64::try_from(bound).ok()),
            token: access.token.clone(),
        }
    }

    /// Losses that a person has accepted, by name and incarnation. An acceptance that fits none is
    /// of no effect: the loss has been made good, or was never reported.
    async fn accept_losses(&self, coordinator: &Coordinator) {
        let accepted = match self.cluster.accepted_losses() {
            Ok(accepted) => accepted,
            Err(invalid) => {
                let news = News::warning("NotAccepted", "Accept", invalid.to_string());
                return self.context.publish(self.object, news).await;
            }
        };
        for AcceptedLoss { server, incarnation } in accepted {
            let note = format!("the loss of the volume {incarnation} of {server} is accepted");
            if coordinator.accept_data_loss(Server { name: server, incarnation }).is_ok() {
                let news = News::normal("LossAccepted", "Accept", note);
                self.context.publish(self.object, news).await;
            }
        }
    }

    fn status(
        &self,
        valid: &ValidCluster,
        facts: &Facts,
        plan: &Plan,
        document: Option<&RingDocument>,
        status: &Status,
        is_new: bool,
    ) -> KvClusterStatus {
        let id = valid.cluster_id.to_string();
        let growing = plan.steps.iter().filter(|step| matches!(step, Step::GrowClaim { .. }));
        let seen = Seen {
            names: self.names(),
            namespace: &valid.namespace,
            generation: self.cluster.metadata.generation,
            replicas: self.cluster.spec.replicas,
            cluster_id: Some(&id),
            document,
            facts,
            status,
            pending: Pending {
                // What was written just now is not yet seen.
                outdated_pods: if is_new { facts.pods.len() } else { plan.outdated_pods },
                growing_volumes: growing.count(),
            },
        };
        crate::status::status(&seen, self.before().as_ref(), &crate::tell::now())
    }
}
