//! Pure. What servers and routers may do at the API server: as little as they need.

use crd::GROUP;
use crd::names::Component;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::labels::metadata;
use crate::validate::ValidCluster;

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// An account and what it may do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) account: ServiceAccount,
    pub(crate) role: Role,
    pub(crate) binding: RoleBinding,
}

/// A server reads the ring document.
pub(super) fn of_nodes(cluster: &ValidCluster) -> Access {
    access(cluster, Component::Node, vec![own_resource(cluster, &["get"])])
}

/// A router follows the ring document and where the servers are.
pub(super) fn of_routers(cluster: &ValidCluster) -> Access {
    let slices = PolicyRule {
        api_groups: Some(vec!["discovery.k8s.io".to_owned()]),
        resources: Some(vec!["endpointslices".to_owned()]),
        verbs: vec!["list".to_owned(), "watch".to_owned()],
        ..PolicyRule::default()
    };
    let rules = vec![own_resource(cluster, &["get", "list", "watch"]), slices];
    access(cluster, Component::Router, rules)
}

fn own_resource(cluster: &ValidCluster, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![GROUP.to_owned()]),
        resources: Some(vec!["kvclusters".to_owned()]),
        resource_names: Some(vec![cluster.name.clone()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    }
}

fn access(cluster: &ValidCluster, component: Component, rules: Vec<PolicyRule>) -> Access {
    let name = cluster.names().account(component);
    let metadata = metadata(cluster, component, name.clone());
    Access {
        account: ServiceAccount { metadata: metadata.clone(), ..ServiceAccount::default() },
        role: Role { metadata: metadata.clone(), rules: Some(rules) },
        binding: RoleBinding {
            metadata,
            role_ref: RoleRef {
                api_group: RBAC_GROUP.to_owned(),
                kind: "Role".to_owned(),
                name: name.clone(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name,
                namespace: Some(cluster.namespace.clone()),
                ..Subject::default()
            }]),
        },
    }
}
