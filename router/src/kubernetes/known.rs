//! Pure. What the watches have shown so far, and the membership that follows.

use std::collections::BTreeMap;
use std::sync::Arc as Shared;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use kube::runtime::watcher::Event;
use kubernetes::{ClusterName, committed_ring};
use node_api::Membership;
use ring::RingDocument;

use super::servers::{Place, servers};

/// What there is to tell beside the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The KvCluster, once it was seen and unless it was deleted.
    pub(crate) object: Option<Shared<DynamicObject>>,
    /// The ring document that the router goes by.
    pub(crate) document: Option<Shared<RingDocument>>,
    /// Where the servers are.
    pub(crate) servers: BTreeMap<String, Place>,
}

/// See the module. Once something is known it is kept until something newer takes its place: an
/// object or an endpoint that is away is no reason to forget where servers were.
pub(super) struct Known {
    cluster: ClusterName,
    facts: Facts,
    /// Whether the list that is under way has shown the KvCluster.
    is_listed: bool,
    slices: BTreeMap<String, EndpointSlice>,
    /// The list of slices that is under way.
    listing: Option<BTreeMap<String, EndpointSlice>>,
    /// Whether a list of slices has been seen whole.
    has_slices: bool,
    published: Option<Membership>,
}

impl Known {
    pub(super) fn new(cluster: ClusterName) -> Self {
        Self {
            cluster,
            facts: Facts::default(),
            is_listed: false,
            slices: BTreeMap::new(),
            listing: None,
            has_slices: false,
            published: None,
        }
    }

    pub(super) fn facts(&self) -> Shared<Facts> {
        Shared::new(self.facts.clone())
    }

    /// Takes news of the KvCluster. An error says why there is no newer ring document in it.
    pub(super) fn take_cluster(&mut self, event: Event<DynamicObject>) -> Result<(), String> {
        match event {
            Event::Init => self.is_listed = false,
            Event::Apply(object) | Event::InitApply(object) => {
                self.is_listed = true;
                let ring = committed_ring(&self.cluster, &object);
                self.facts.object = Some(Shared::new(object));
                self.take_ring(ring.map_err(|error| error.to_string())?)?;
            }
            Event::InitDone if self.is_listed => {}
            Event::InitDone | Event::Delete(_) => {
                self.facts.object = None;
                return Err(format!("there is no KvCluster {}", self.cluster));
            }
        }
        Ok(())
    }

    fn take_ring(&mut self, document: RingDocument) -> Result<(), String> {
        if let Some(known) = &self.facts.document {
            if known.cluster != document.cluster {
                return Err(format!(
                    "KvCluster {} has become another cluster; a router of it has to be started",
                    self.cluster
                ));
            }
            if known.epoch > document.epoch {
                return Err(format!(
                    "the ring of KvCluster {} fell from epoch {} to {}; the older one is ignored",
                    self.cluster, known.epoch, document.epoch
                ));
            }
        }
        self.facts.document = Some(Shared::new(document));
        self.place_servers();
        Ok(())
    }

    /// Takes news of the endpoints. A list counts when it is whole.
    pub(super) fn take_slice(&mut self, event: Event<EndpointSlice>) {
        match event {
            Event::Init => {
                self.listing = Some(BTreeMap::new());
                return;
            }
            Event::InitApply(slice) => {
                self.listing.get_or_insert_default().insert(slice.name_any(), slice);
                return;
            }
            Event::InitDone => {
                self.slices = self.listing.take().unwrap_or_default();
                self.has_slices = true;
            }
            Event::Apply(slice) => {
                self.slices.insert(slice.name_any(), slice);
            }
            Event::Delete(slice) => {
                self.slices.remove(&slice.name_any());
            }
        }
        self.place_servers();
    }

    fn place_servers(&mut self) {
        if let Some(document) = &self.facts.document {
            self.facts.servers = servers(self.slices.values(), document, &self.facts.servers);
        }
    }

    /// The membership, if it is another than the last one.
    pub(super) fn membership(&mut self) -> Option<Membership> {
        let document = self.facts.document.as_ref().filter(|_| self.has_slices)?;
        let places = self.facts.servers.iter();
        let servers = places.map(|(name, place)| (name.clone(), place.addresses.clone())).collect();
        if let Some(last) = &self.published
            && last.document == **document
            && last.servers == servers
        {
            return None;
        }
        let generation = self.published.as_ref().map_or(0, |last| last.generation) + 1;
        let membership =
            Membership { generation, document: RingDocument::clone(document), servers };
        self.published = Some(membership.clone());
        Some(membership)
    }
}

#[cfg(test)]
mod tests;
