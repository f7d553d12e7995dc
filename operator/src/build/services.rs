//! Pure. Where clients find the routers, and routers and servers the servers.

use crd::ServiceType;
use crd::names::{
    Component, NODE_HTTP_PORT, NODE_PEER_PORT, NODE_RESP_PORT, ROUTER_HTTP_PORT, ROUTER_RESP_PORT,
};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::metadata;
use super::pod::{HTTP, PEER, RESP};
use crate::validate::ValidCluster;

/// One address for the routers that are ready.
pub(super) fn of_routers(cluster: &ValidCluster) -> Service {
    let service = &cluster.router.service;
    let mut metadata = metadata(cluster, Component::Router, cluster.names().router_service());
    metadata.annotations = Some(service.annotations.clone()).filter(|some| !some.is_empty());
    let type_ = match service.type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    let ports = vec![port(RESP, ROUTER_RESP_PORT), port(HTTP, ROUTER_HTTP_PORT)];
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            selector: Some(cluster.names().selector(Component::Router)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// An address for each server, ready or not: a server that recovers is asked how far it is, and one
/// that is not a member yet is handed its part.
pub(super) fn of_nodes(cluster: &ValidCluster) -> Service {
    let ports =
        vec![port(RESP, NODE_RESP_PORT), port(HTTP, NODE_HTTP_PORT), port(PEER, NODE_PEER_PORT)];
    Service {
        metadata: metadata(cluster, Component::Node, cluster.names().nodes()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(cluster.names().selector(Component::Node)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number.into(),
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
