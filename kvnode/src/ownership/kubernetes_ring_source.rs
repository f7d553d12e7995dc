//! Shell. The ring document in the status of the KvCluster, read from the API server.

use std::time::Duration;

use kube::Api;
use kube::core::DynamicObject;
use kubernetes::{ClusterName, LazyClient, Request, api_resource, committed_ring, explain};
use ring::RingDocument;

use super::{RingRead, RingSource};

/// How long the API server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before another read, as long as none has helped: at first, and at most. A new ring has the
/// node read at once all the same.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// A live GET of the KvCluster. The client is made at the first read, so that a node starts and
/// recovers while the API server is away.
pub struct KubernetesRingSource {
    cluster: ClusterName,
    client: LazyClient,
}

impl KubernetesRingSource {
    /// Of this KvCluster, by this client.
    #[must_use]
    pub const fn new(cluster: ClusterName, client: LazyClient) -> Self {
        Self { cluster, client }
    }

    async fn get(&self) -> Result<DynamicObject, kube::Error> {
        let client = self.client.get().await?.clone();
        let ClusterName { namespace, name } = &self.cluster;
        Api::namespaced_with(client, namespace, &api_resource()).get(name).await
    }

    async fn read_ring(&self) -> Result<RingDocument, String> {
        let read = tokio::time::timeout(TIMEOUT, self.get()).await.map_err(|_| {
            let seconds = TIMEOUT.as_secs();
            format!("the API server did not answer within {seconds} s; the node asks again")
        })?;
        let object = read.map_err(|error| {
            let names = crd::names::Names(&self.cluster.name);
            let role = names.account(crd::names::Component::Node);
            let cluster = &self.cluster;
            explain(&error, &Request { cluster, verbs: "get", resource: "kvclusters", role })
        })?;
        committed_ring(&self.cluster, &object).map_err(|error| error.to_string())
    }
}

impl RingSource for KubernetesRingSource {
    fn read(&self) -> RingRead<'_> {
        Box::pin(self.read_ring())
    }

    fn retry_pause(&self, failures: u32) -> Duration {
        RETRY.0.saturating_mul(1 << failures.min(8)).min(RETRY.1)
    }
}

#[cfg(test)]
mod tests;
