//! Shell. Carries out the steps of a plan on pods and volume claims. What destroys something is
//! asked under the identity and version at which the plan saw it, after a live look.

use crd::names::Names;
use crd::{KvCluster, KvClusterStatus, PvcRetention};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Error, Resource as _, ResourceExt};
use planted::Bug;
use serde_json::{Value, json};

use crate::apply::only;
use crate::facts::RETIRED;
use crate::news::News;
use crate::plan::{ClaimRef, Step};
use crate::refusal::{has_changed, in_words};

/// One cluster, as the steps need it.
pub(crate) struct Actor<'a> {
    pub(crate) client: &'a Client,
    pub(crate) namespace: &'a str,
    pub(crate) names: Names<'a>,
    pub(crate) uid: &'a str,
    pub(crate) storage_size: &'a str,
}

/// What came of a step that was not refused.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is done, or there is nothing to do; with what there is to tell.
    Done(Option<News>),
    /// What it was planned from has changed meanwhile: it is to be looked again.
    Changed,
}

/// A step that was refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {object}: {}", in_words(source))]
pub(crate) struct StepError {
    action: &'static str,
    object: String,
    source: Error,
}

impl Actor<'_> {
    /// Carries out one step.
    pub(crate) async fn take(&self, step: &Step) -> Result<Taken, StepError> {
        match step {
            Step::MarkRetired { server, claim, incarnation } => {
                let mark = json!({ "annotations": { RETIRED: incarnation } });
                let done = self.patch_claim("mark", claim, mark, None).await?;
                let note = format!("{server} owns nothing any more and leaves");
                Ok(taken(done, || News::normal("ServerRetired", "ScaleDown", note).of(server)))
            }
            Step::OwnClaim { claim, is_owned } => {
                let done = self.own_claim(claim, *is_owned).await?;
                Ok(if done { Taken::Done(None) } else { Taken::Changed })
            }
            Step::Unmark { claim, .. } => {
                let mark = json!({ "annotations": { RETIRED: Value::Null } });
                let done = self.patch_claim("take the mark from", claim, mark, None).await?;
                Ok(if done { Taken::Done(None) } else { Taken::Changed })
            }
            Step::GrowClaim { server, claim } => {
                let request = json!({ "resources": { "requests": {
                    "storage": self.storage_size,
                }}});
                let done = self.patch_claim("grow", claim, json!({}), Some(request)).await?;
                let note = format!("the volume of {server} grows to {}", self.storage_size);
                Ok(taken(done, || News::normal("VolumeGrows", "GrowVolume", note).of(server)))
            }
            Step::DeleteClaim { server, claim } => self.delete_claim(server, claim).await,
            Step::ReplacePod { server, uid, is_broken } => {
                self.replace_pod(server, uid, *is_broken).await
            }
        }
    }

    /// After a live look: to be owned by a resource that is being deleted is to be deleted.
    async fn own_claim(&self, claim: &ClaimRef, is_owned: bool) -> Result<bool, StepError> {
        let object = || format!("volume claim {}", claim.name);
        let looked = |source| StepError { action: "look at", object: object(), source };
        let clusters: Api<KvCluster> = Api::namespaced(self.client.clone(), self.namespace);
        let Some(cluster) = clusters.get_opt(self.names.0).await.map_err(looked)? else {
            return Ok(true);
        };
        let wants = cluster.spec.pvc_retention_policy.when_deleted == PvcRetention::Delete;
        let is_same = cluster.uid().as_deref() == Some(self.uid);
        if !is_same || wants != is_owned || cluster.metadata.deletion_timestamp.is_some() {
            return Ok(true);
        }
        let Some(found) = self.claims().get_metadata_opt(&claim.name).await.map_err(looked)? else {
            return Ok(true);
        };
        let others = found.owner_references().iter().filter(|owner| owner.uid != self.uid);
        let mut owners: Vec<Value> = others.map(|owner| json!(owner)).collect();
        if is_owned {
            owners.push(self.owner());
        }
        let metadata = json!({ "ownerReferences": owners });
        self.patch_claim("settle the owner of", claim, metadata, None).await
    }

    /// The custom resource, as an owner.
    fn owner(&self) -> Value {
        json!({
            "apiVersion": KvCluster::api_version(&()),
            "kind": KvCluster::kind(&()),
            "name": self.names.0,
            "uid": self.uid,
        })
    }

    async fn patch_claim(
        &self,
        action: &'static str,
        claim: &ClaimRef,
        metadata: Value,
        spec: Option<Value>,
    ) -> Result<bool, StepError> {
        let mut patch = json!({ "metadata": metadata });
        patch["metadata"]["uid"] = json!(claim.uid);
        patch["metadata"]["resourceVersion"] = json!(claim.resource_version);
        if let Some(spec) = spec {
            patch["spec"] = spec;
        }
        let parameters = PatchParams::default();
        let result = self.claims().patch(&claim.name, &parameters, &Patch::Merge(patch)).await;
        self.settled(action, format!("volume claim {}", claim.name), result.map(drop))
    }

    /// The last look before a volume goes: the ring document does not list the server, the
    /// StatefulSet does not have it, no pod uses it.
    async fn delete_claim(&self, server: &str, claim: &ClaimRef) -> Result<Taken, StepError> {
        let object = || format!("volume claim {}", claim.name);
        let looked = |source| StepError { action: "look at", object: object(), source };
        if !self.may_lose(server).await.map_err(looked)? {
            return Ok(Taken::Done(None));
        }
        let mut parameters = only(Some(claim.uid.clone()), Some(claim.resource_version.clone()));
        if planted::is(Bug::OperatorDeletesPvcByName) {
            parameters.preconditions = None;
        }
        let result = self.claims().delete(&claim.name, &parameters).await.map(drop);
        let done = self.settled("delete", object(), result)?;
        let note = format!("the volume of {server}, which owns nothing, is deleted");
        Ok(taken(done, || News::normal("VolumeDeleted", "ScaleDown", note).of(server)))
    }

    async fn may_lose(&self, server: &str) -> Result<bool, Error> {
        let clusters: Api<KvCluster> = Api::namespaced(self.client.clone(), self.namespace);
        let cluster = clusters.get(self.names.0).await?;
        let document = cluster.status.as_ref().map(KvClusterStatus::ring_document);
        let Some(Ok(Some(document))) = document else { return Ok(false) };
        let is_listed = document.lists(server);
        let ordinal = self.names.ordinal(server).unwrap_or(0);
        let is_wanted = ordinal < cluster.spec.replicas;
        let is_same = cluster.uid().as_deref() == Some(self.uid);
        if is_listed || is_wanted || !is_same || cluster.metadata.deletion_timestamp.is_some() {
            return Ok(false);
        }
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), self.namespace);
        let set = sets.get(&self.names.stateful_set()).await?;
        let replicas = set.spec.and_then(|spec| spec.replicas);
        let pod = self.pods().get_metadata_opt(server).await?;
        Ok(replicas.is_some_and(|replicas| ordinal >= replicas) && pod.is_none())
    }

    async fn replace_pod(
        &self,
        server: &str,
        uid: &str,
        is_broken: bool,
    ) -> Result<Taken, StepError> {
        let result = self.pods().delete(server, &only(Some(uid.to_owned()), None)).await.map(drop);
        let done = self.settled("replace", format!("pod {server}"), result)?;
        let why = if is_broken { ", which did not run," } else { "" };
        let note = format!("{server}{why} is replaced by one of the present specification");
        Ok(taken(done, || News::normal("PodReplaced", "Roll", note).of(server)))
    }

    /// A conflict, or an object that is gone: the plan is made anew from what is there then.
    fn settled(
        &self,
        action: &'static str,
        object: String,
        result: Result<(), Error>,
    ) -> Result<bool, StepError> {
        match result {
            Ok(()) => Ok(true),
            Err(error) if has_changed(&error) => {
                tracing::debug!(object, %error, "it has changed meanwhile");
                Ok(false)
            }
            Err(source) => Err(StepError { action, object, source }),
        }
    }

    fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}

/// What came of a step, with its news if it is done.
fn taken(is_done: bool, news: impl FnOnce() -> News) -> Taken {
    if is_done { Taken::Done(Some(news())) } else { Taken::Changed }
}

#[cfg(test)]
mod tests;
