//! Pure. Who may connect to servers and routers, where the network enforces it. Kubelet's probes
//! come from the machine itself, which network plugins let through.

use crd::names::{
    Component, NODE_HTTP_PORT, NODE_PEER_PORT, NODE_RESP_PORT, ROUTER_HTTP_PORT, ROUTER_RESP_PORT,
};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{metadata, selector};
use crate::validate::ValidCluster;

/// By which the pods of the operator are known; the chart sets them.
const OPERATOR_LABELS: [(&str, &str); 1] = [("app.kubernetes.io/name", "ringkv-operator")];

/// Data from routers and servers of this cluster; administration and handoffs from its servers and
/// the operator alone.
pub(super) fn of_nodes(cluster: &ValidCluster, operator_namespace: &str) -> NetworkPolicy {
    let nodes = || pods(cluster, Component::Node);
    let rules = vec![
        ingress(vec![nodes(), pods(cluster, Component::Router)], &[NODE_RESP_PORT]),
        ingress(vec![nodes(), operator(operator_namespace)], &[NODE_HTTP_PORT, NODE_PEER_PORT]),
    ];
    policy(cluster, Component::Node, cluster.names().nodes(), rules)
}

/// Anybody: what a client may do is decided by its password, and by policies of the namespace.
pub(super) fn of_routers(cluster: &ValidCluster) -> NetworkPolicy {
    let rules = vec![ingress(vec![], &[ROUTER_RESP_PORT, ROUTER_HTTP_PORT])];
    policy(cluster, Component::Router, cluster.names().router(), rules)
}

fn policy(
    cluster: &ValidCluster,
    component: Component,
    name: String,
    ingress: Vec<NetworkPolicyIngressRule>,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata(cluster, component, name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(cluster, component)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(ingress),
            egress: None,
        }),
    }
}

/// From nobody in particular is from everybody.
fn ingress(from: Vec<NetworkPolicyPeer>, ports: &[u16]) -> NetworkPolicyIngressRule {
    let ports = ports.iter().map(|port| NetworkPolicyPort {
        port: Some(IntOrString::Int((*port).into())),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    });
    NetworkPolicyIngressRule {
        from: Some(from).filter(|from| !from.is_empty()),
        ports: Some(ports.collect()),
    }
}

fn pods(cluster: &ValidCluster, component: Component) -> NetworkPolicyPeer {
    let pod_selector = Some(selector(cluster, component));
    NetworkPolicyPeer { pod_selector, ..NetworkPolicyPeer::default() }
}

fn operator(namespace: &str) -> NetworkPolicyPeer {
    let matching = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Some(LabelSelector { match_labels: Some(pairs.collect()), ..LabelSelector::default() })
    };
    NetworkPolicyPeer {
        namespace_selector: matching(&[("kubernetes.io/metadata.name", namespace)]),
        pod_selector: matching(&OPERATOR_LABELS),
        ip_block: None,
    }
}
