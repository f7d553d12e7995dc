//! Shell. Which cluster a resource stands for: its own, or one whose volumes were kept when an
//! earlier resource of that name was deleted.

use std::collections::BTreeSet;

use crd::KvCluster;
use crd::names::{CLUSTER_ID_LABEL, CLUSTER_LABEL};
use handoff::ClusterId;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Resource as _, ResourceExt};
use serde_json::json;

use crate::controller::Context;
use crate::refusal::in_words;

/// Why it is not known which cluster a resource stands for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The volumes that are there belong to several clusters.
    #[error(
        "the volume claims labelled {CLUSTER_LABEL}={name} belong to {count} clusters ({ids}): \
         delete those that are not wanted"
    )]
    Several { name: String, count: usize, ids: String },
    /// Volumes of an earlier cluster are still being deleted.
    #[error("volume claims of an earlier cluster {name} are being deleted; waiting until they are")]
    Ending { name: String },
    /// What is noted as the cluster's id is none.
    #[error("`{id}` is not the id of a cluster: 32 hexadecimal digits")]
    Malformed { id: String },
    /// The API server refused.
    #[error("cannot settle the cluster's id: {}", in_words(.0))]
    Api(#[from] kube::Error),
}

impl Context {
    /// The id under which the cluster's volumes are known. It is settled once, durably, before
    /// anything is made.
    pub(crate) async fn cluster_id(&self, cluster: &KvCluster) -> Result<ClusterId, IdentityError> {
        let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
        let clusters: Api<KvCluster> = Api::namespaced(self.client.clone(), &namespace);
        if let Some(id) = noted(cluster) {
            return parse(id);
        }
        // What is watched may lag behind a note of our own.
        let live = clusters.get(&name).await?;
        if let Some(id) = noted(&live) {
            return parse(id);
        }
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &namespace);
        let selector = format!("{CLUSTER_LABEL}={name}");
        let claims = claims.list(&ListParams::default().labels(&selector)).await?;
        let uid = live.uid().unwrap_or_default();
        if claims.iter().any(|claim| is_ending(claim, &uid)) {
            return Err(IdentityError::Ending { name });
        }
        let used = claims
            .iter()
            .filter(|claim| claim.spec.as_ref().is_some_and(|spec| spec.volume_name.is_some()));
        let kept: BTreeSet<&String> =
            used.filter_map(|claim| claim.labels().get(CLUSTER_ID_LABEL)).collect();
        let mut ids = kept.iter();
        let id = match (ids.next(), ids.next()) {
            (None, _) => parse(&uid.replace('-', ""))?,
            (Some(id), None) => parse(id)?,
            _ => {
                let ids: Vec<&str> = kept.iter().map(|id| id.as_str()).collect();
                return Err(IdentityError::Several {
                    name,
                    count: kept.len(),
                    ids: ids.join(", "),
                });
            }
        };
        let patch = json!({
            "metadata": { "resourceVersion": live.resource_version(), "uid": live.uid() },
            "status": { "clusterId": id.to_string() },
        });
        clusters.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(id)
    }
}

/// Whether a claim goes, or will, as that of an earlier resource.
fn is_ending(claim: &PersistentVolumeClaim, uid: &str) -> bool {
    let mut owners = claim.owner_references().iter();
    claim.metadata.deletion_timestamp.is_some()
        || owners.any(|owner| owner.kind == KvCluster::kind(&()) && owner.uid != uid)
}

fn noted(cluster: &KvCluster) -> Option<&str> {
    cluster.status.as_ref()?.cluster_id.as_deref()
}

fn parse(id: &str) -> Result<ClusterId, IdentityError> {
    id.parse().map_err(|_| IdentityError::Malformed { id: id.to_owned() })
}
