//! Pure. What operator, nodes and routers ask a resource for.

use handoff::Incarnation;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResourceExt, ResourceExt};

use crate::names::Names;
use crate::{ACCEPT_DATA_LOSS, ConditionType, KvCluster, KvClusterStatus};

/// The definition of the resource, as the API server takes it.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    KvCluster::crd()
}

/// A volume whose loss its owner accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLoss {
    /// The server, and pod.
    pub server: String,
    /// The volume that is gone.
    pub incarnation: Incarnation,
}

/// A part of the annotation that names no server and volume of this cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "annotation {ACCEPT_DATA_LOSS}: {part:?} is not <pod>/<incarnation> of this cluster; \
     status.servers tells both"
)]
pub struct InvalidAcceptance {
    /// What is written there.
    pub part: String,
}

impl KvClusterStatus {
    /// A condition as last told.
    #[must_use]
    pub fn condition(&self, condition: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|told| told.type_ == condition.as_str())
    }
}

impl KvCluster {
    /// The lost volumes that the annotation accepts.
    ///
    /// # Errors
    /// A part of the annotation is not `<pod>/<incarnation>`. Then none is accepted: what was meant
    /// is not known.
    pub fn accepted_losses(&self) -> Result<Vec<AcceptedLoss>, InvalidAcceptance> {
        let name = self.name_any();
        let text = self.annotations().get(ACCEPT_DATA_LOSS).map_or("", String::as_str);
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| accepted_loss(Names(&name), part)).collect()
    }
}

fn accepted_loss(names: Names<'_>, part: &str) -> Result<AcceptedLoss, InvalidAcceptance> {
    let parse = || {
        let (server, incarnation) = part.split_once('/')?;
        names.ordinal(server)?;
        Some(AcceptedLoss { server: server.to_owned(), incarnation: incarnation.parse().ok()? })
    };
    parse().ok_or_else(|| InvalidAcceptance { part: part.to_owned() })
}
