//! Pure. The secrets of a cluster. Their values are drawn once, by the caller, and never rewritten.

use std::collections::BTreeMap;

use crd::names::Component;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::labels::metadata;
use crate::validate::ValidCluster;

/// The key of the token in the Secret, and its file in a pod.
pub(super) const TOKEN: &str = "token";
/// The key of the password in the Secret, the user's own as well, and its file in a pod.
pub(super) const PASSWORD: &str = "password";

/// What operator, servers and routers show each other.
pub(crate) fn internal_secret(cluster: &ValidCluster, token: &str) -> Secret {
    secret(cluster, Component::Node, cluster.names().internal_secret(), TOKEN, token)
}

/// What clients show, where they bring no Secret of their own.
pub(crate) fn auth_secret(cluster: &ValidCluster, password: &str) -> Secret {
    secret(cluster, Component::Router, cluster.names().auth_secret(), PASSWORD, password)
}

fn secret(
    cluster: &ValidCluster,
    component: Component,
    name: String,
    key: &str,
    value: &str,
) -> Secret {
    Secret {
        metadata: metadata(cluster, component, name),
        data: Some(BTreeMap::from([(key.to_owned(), ByteString(value.into()))])),
        ..Secret::default()
    }
}
