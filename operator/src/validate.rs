//! Pure. From a resource as it is stored to one whose every field can be relied on. The API server
//! has checked almost all of it, but by the rules of the definition that was installed then.

use crd::names::Names;
use crd::{
    Auth, Durability, ImagePullPolicy, KvCluster, KvClusterSpec, NodeSettings, RouterSettings,
};
use handoff::ClusterId;
use kube::ResourceExt;
use ring::{MAX_MEMBERS, MAX_VIRTUAL_NODES};

use crate::plan::bytes;

/// As the rule of the definition has it: pods and Services are named after the cluster.
const NAME_LENGTH_MAX: usize = 40;
/// A server keeps as much free, to compact and to delete when its volume is full.
const STORAGE_BYTES_MIN: u128 = 64 << 20;

/// A cluster that can be built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValidCluster {
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// Of the resource.
    pub(crate) uid: String,
    /// By which its volumes are known.
    pub(crate) cluster_id: ClusterId,
    pub(crate) image: String,
    pub(crate) image_pull_policy: Option<ImagePullPolicy>,
    /// Names of Secrets.
    pub(crate) image_pull_secrets: Vec<String>,
    pub(crate) durability: Durability,
    /// As it is written, and what that comes to.
    pub(crate) storage_size: String,
    pub(crate) storage_bytes: u128,
    pub(crate) storage_class: Option<String>,
    pub(crate) auth: Option<Auth>,
    pub(crate) node: NodeSettings,
    pub(crate) router: RouterSettings,
}

impl ValidCluster {
    pub(crate) fn names(&self) -> Names<'_> {
        Names(&self.name)
    }
}

/// Why a specification cannot be carried out, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCluster {
    #[error("the resource has no {0}; it was not read from an API server")]
    Metadata(&'static str),
    #[error(
        "the name {0:?} cannot be that of Services and pods: create a KvCluster with at most \
         {NAME_LENGTH_MAX} small letters, digits and hyphens, beginning with a letter, not ending \
         in -nodes or -router"
    )]
    Name(String),
    #[error("{field} is {value}: change it to {min} to {max}")]
    OutOfRange { field: &'static str, value: i64, min: i64, max: i64 },
    #[error("storage.size is {0:?}: change it to a number with a suffix, such as 10Gi")]
    StorageSize(String),
    #[error("storage.size is {0:?}: change it to at least 64Mi, better several Gi")]
    StorageTooSmall(String),
    #[error("image is empty or has spaces: change it, or leave it out for the operator's own")]
    Image,
    #[error("auth.existingSecret is {0:?}: name a Secret of yours, or leave it out")]
    ExistingSecret(String),
}

/// Reads a resource whole.
pub(crate) fn validate(
    cluster: &KvCluster,
    cluster_id: ClusterId,
    own_image: &str,
) -> Result<ValidCluster, InvalidCluster> {
    let spec = &cluster.spec;
    let name = valid_name(cluster.name_any())?;
    check_ranges(spec)?;
    let image = spec.image.as_deref().unwrap_or(own_image);
    if image.is_empty() || image.contains(char::is_whitespace) {
        return Err(InvalidCluster::Image);
    }
    let auth = spec.auth.clone().map(|auth| valid_auth(auth, Names(&name))).transpose()?;
    let pull_secrets = spec.image_pull_secrets.iter().map(|secret| secret.name.clone());
    Ok(ValidCluster {
        namespace: cluster.namespace().ok_or(InvalidCluster::Metadata("namespace"))?,
        uid: cluster.uid().ok_or(InvalidCluster::Metadata("uid"))?,
        cluster_id,
        image: image.to_owned(),
        image_pull_policy: spec.image_pull_policy,
        image_pull_secrets: pull_secrets.filter(|name| !name.is_empty()).collect(),
        durability: spec.durability,
        storage_bytes: storage_bytes(&spec.storage.size)?,
        storage_size: spec.storage.size.clone(),
        storage_class: spec.storage.class.clone(),
        auth,
        node: spec.node.clone(),
        router: spec.router.clone(),
        name,
    })
}

fn valid_name(name: String) -> Result<String, InvalidCluster> {
    let is_valid = name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.ends_with("-nodes")
        && !name.ends_with("-router");
    if is_valid { Ok(name) } else { Err(InvalidCluster::Name(name)) }
}

fn check_ranges(spec: &KvClusterSpec) -> Result<(), InvalidCluster> {
    let most_servers = i64::try_from(MAX_MEMBERS).unwrap_or(i64::MAX);
    for (field, value, max) in [
        ("replicas", spec.replicas, most_servers),
        ("virtualNodes", spec.virtual_nodes, MAX_VIRTUAL_NODES.into()),
        ("router.replicas", spec.router.replicas, 100),
        ("rebalance.parallelHandoffs", spec.rebalance.parallel_handoffs, 64),
    ] {
        let value = i64::from(value);
        if !(1..=max).contains(&value) {
            return Err(InvalidCluster::OutOfRange { field, value, min: 1, max });
        }
    }
    match spec.rebalance.max_bytes_per_second {
        Some(value) if value < 1024 => Err(InvalidCluster::OutOfRange {
            field: "rebalance.maxBytesPerSecond",
            value,
            min: 1024,
            max: i64::MAX,
        }),
        _ => Ok(()),
    }
}

fn storage_bytes(size: &str) -> Result<u128, InvalidCluster> {
    match bytes(size) {
        None => Err(InvalidCluster::StorageSize(size.to_owned())),
        Some(bytes) if bytes < STORAGE_BYTES_MIN => {
            Err(InvalidCluster::StorageTooSmall(size.to_owned()))
        }
        Some(bytes) => Ok(bytes),
    }
}

fn valid_auth(auth: Auth, names: Names<'_>) -> Result<Auth, InvalidCluster> {
    match &auth.existing_secret {
        Some(secret)
            if secret.is_empty()
                || *secret == names.auth_secret()
                || *secret == names.internal_secret() =>
        {
            Err(InvalidCluster::ExistingSecret(secret.clone()))
        }
        _ => Ok(auth),
    }
}

#[cfg(test)]
pub(crate) mod tests;
