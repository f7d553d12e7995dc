//! Shell. Where a router on Kubernetes learns which servers there are: from two watches, of its
//! KvCluster and of the endpoints of the servers' Service. While nothing changes, nothing is asked.

use std::sync::Arc as Shared;

use crd::names::{Component, Names};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt as _, utils::Backoff};
use kube::{Api, Client};
use kubernetes::{ClusterName, LazyClient, Request, api_resource, explain};
use node_api::Membership;
use tokio::sync::watch;

use crate::membership::{MembershipError, MembershipSource};

mod advice;
mod known;
mod servers;
mod status;

pub(crate) use advice::advice;
pub(crate) use known::Facts;
pub(crate) use status::status;

use known::Known;

/// The watches, and what they have shown.
pub(crate) struct KubernetesSource {
    cluster: ClusterName,
    client: LazyClient,
    watches: Option<Watches>,
    known: Known,
    /// What is wrong with the KvCluster, told once.
    told: Option<String>,
    facts: watch::Sender<Shared<Facts>>,
}

type Stream<K> = BoxStream<'static, watcher::Result<Event<K>>>;

struct Watches {
    clusters: Stream<DynamicObject>,
    slices: Stream<EndpointSlice>,
}

impl KubernetesSource {
    /// Of this KvCluster. Nothing is asked yet; the facts come by themselves later.
    pub(crate) fn new(
        cluster: ClusterName,
        client: LazyClient,
    ) -> (Self, watch::Receiver<Shared<Facts>>) {
        let (facts, published) = watch::channel(Shared::default());
        let known = Known::new(cluster.clone());
        (Self { cluster, client, watches: None, known, told: None, facts }, published)
    }

    async fn watches(&mut self) -> Result<&mut Watches, MembershipError> {
        if self.watches.is_none() {
            let client = self.client.get().await.map_err(|error| self.explain(&error, CLUSTERS))?;
            self.watches = Some(Watches::start(client, &self.cluster));
        }
        let none = || MembershipError::Unavailable("the watches did not start".to_owned());
        self.watches.as_mut().ok_or_else(none)
    }

    fn explain(&self, error: &kube::Error, resource: &'static str) -> MembershipError {
        let role = Names(&self.cluster.name).account(Component::Router);
        let request = Request { cluster: &self.cluster, verbs: "list and watch", resource, role };
        MembershipError::Unavailable(explain(error, &request))
    }

    fn failed(&self, error: watcher::Error, resource: &'static str) -> MembershipError {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.explain(&error, resource),
            watcher::Error::WatchError(status) => self.explain(&kube::Error::Api(status), resource),
            error @ watcher::Error::NoResourceVersion => {
                MembershipError::Invalid(error.to_string())
            }
        }
    }
}

const CLUSTERS: &str = "kvclusters";
const SLICES: &str = "endpointslices";

impl Watches {
    fn start(client: &Client, cluster: &ClusterName) -> Self {
        let ClusterName { namespace, name } = cluster;
        let clusters: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), namespace, &api_resource());
        let this_one = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
        let service = Names(name).nodes();
        let of_nodes =
            watcher::Config::default().labels(&format!("kubernetes.io/service-name={service}"));
        Self {
            clusters: watcher(clusters, this_one).backoff(backoff()).boxed(),
            slices: watcher(slices, of_nodes).backoff(backoff()).boxed(),
        }
    }
}

fn backoff() -> impl Backoff {
    watcher::DefaultBackoff::default()
}

impl MembershipSource for KubernetesSource {
    /// Takes one piece of news.
    async fn next(
        &mut self,
        _known: Option<&Membership>,
    ) -> Result<Option<Membership>, MembershipError> {
        let watches = self.watches().await?;
        let ended = || MembershipError::Unavailable("a watch ended".to_owned());
        tokio::select! {
            event = watches.clusters.next() => {
                let event = event.ok_or_else(ended)?;
                let event = event.map_err(|error| self.failed(error, CLUSTERS))?;
                let taken = self.known.take_cluster(event);
                self.facts.send_replace(self.known.facts());
                let news = taken.as_ref().err().filter(|why| self.told.as_ref() != Some(why));
                if taken.is_ok() {
                    self.told = None;
                } else if let Some(why) = news.cloned() {
                    self.told = Some(why.clone());
                    return Err(MembershipError::Unavailable(why));
                }
            }
            event = watches.slices.next() => {
                let event = event.ok_or_else(ended)?;
                self.known.take_slice(event.map_err(|error| self.failed(error, SLICES))?);
                self.facts.send_replace(self.known.facts());
            }
        }
        Ok(self.known.membership())
    }
}
