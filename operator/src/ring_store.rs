//! Shell. The ring document in the status of the custom resource.

use crd::KvCluster;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use rebalance::{RingStore, RingStoreError};
use ring::RingDocument;
use serde_json::json;

use crate::refusal::in_words;

/// How often a swap is tried again because another field of the resource was written meanwhile.
const SWAP_TRIES: usize = 10;

/// The ring document of one cluster, in `status.ring`. It is read live, and replaced only under the
/// resource version at which it was read.
#[derive(Clone)]
pub(crate) struct ResourceRingStore {
    api: Api<KvCluster>,
    namespace: String,
    name: String,
    uid: String,
}

impl ResourceRingStore {
    pub(crate) fn new(client: Client, namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        }
    }

    fn place(&self) -> String {
        format!("status.ring of KvCluster {}/{}", self.namespace, self.name)
    }

    fn failed(&self, action: &'static str, error: &dyn std::fmt::Display) -> RingStoreError {
        RingStoreError::Io { action, place: self.place(), error: error.to_string() }
    }

    /// The resource as it is now, and the document in it.
    async fn read(&self) -> Result<(KvCluster, Option<RingDocument>), RingStoreError> {
        let cluster = self
            .api
            .get(&self.name)
            .await
            .map_err(|error| self.failed("read", &in_words(&error)))?;
        if cluster.uid().as_deref() != Some(&*self.uid) {
            return Err(self.failed("read", &"the resource was deleted and made anew"));
        }
        let document = cluster.status.as_ref().map(crd::KvClusterStatus::ring_document);
        let document = document
            .transpose()
            .map_err(|error| RingStoreError::Invalid { place: self.place(), error })?;
        Ok((cluster, document.flatten()))
    }
}

impl RingStore for ResourceRingStore {
    async fn load(&self) -> Result<Option<RingDocument>, RingStoreError> {
        Ok(self.read().await?.1)
    }

    async fn compare_and_swap(
        &self,
        expected: Option<&RingDocument>,
        next: &RingDocument,
    ) -> Result<(), RingStoreError> {
        let mut last = None;
        for _ in 0..SWAP_TRIES {
            let (cluster, current) = self.read().await?;
            // An attempt whose answer was lost may have been the one that did it.
            if last.is_some() && current.as_ref() == Some(next) {
                return Ok(());
            }
            if current.as_ref() != expected {
                return Err(RingStoreError::Conflict);
            }
            let patch = json!({
                "metadata": { "resourceVersion": cluster.resource_version(), "uid": self.uid },
                "status": { "ring": next },
            });
            let patch = Patch::Merge(patch);
            match self.api.patch_status(&self.name, &PatchParams::default(), &patch).await {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        let error = last.as_ref().map_or_else(String::new, in_words);
        Err(self.failed("write", &error))
    }
}
