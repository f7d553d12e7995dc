//! Pure. The routers.

use crd::names::{Component, ROUTER_HTTP_PORT, ROUTER_RESP_PORT};
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{metadata, selector};
use super::pod::{self, HTTP, Pod, RESP, port, probe};
use crate::validate::ValidCluster;

/// How long a router that ends still takes connections: until it has gone from the Service
/// everywhere.
const DRAIN_DELAY_MS: u32 = 5_000;
const REVISIONS_KEPT: i32 = 3;

/// A new router is ready before an old one goes.
pub(super) fn build(cluster: &ValidCluster) -> Deployment {
    let rolling = RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(1)),
        max_unavailable: Some(IntOrString::Int(0)),
    };
    Deployment {
        metadata: metadata(cluster, Component::Router, cluster.names().router()),
        spec: Some(DeploymentSpec {
            replicas: Some(cluster.router.replicas),
            revision_history_limit: Some(REVISIONS_KEPT),
            selector: selector(cluster, Component::Router),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(rolling),
            }),
            template: pod::template(
                cluster,
                Pod {
                    component: Component::Router,
                    settings: &cluster.router.pod,
                    container: container(cluster),
                },
            ),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn container(cluster: &ValidCluster) -> Container {
    let everywhere = |port: u16| format!("0.0.0.0:{port}");
    let mut arguments = vec!["router".to_owned()];
    for (option, value) in [
        ("--resp", everywhere(ROUTER_RESP_PORT)),
        ("--http", everywhere(ROUTER_HTTP_PORT)),
        ("--kubernetes", format!("{}/{}", cluster.namespace, cluster.name)),
        ("--drain-delay-ms", DRAIN_DELAY_MS.to_string()),
    ] {
        arguments.extend([option.to_owned(), value]);
    }
    arguments.extend(pod::secret_arguments(cluster));
    Container {
        name: "router".to_owned(),
        args: Some(arguments),
        ports: Some(vec![port(RESP, ROUTER_RESP_PORT), port(HTTP, ROUTER_HTTP_PORT)]),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        liveness_probe: Some(probe("/healthz", 10, 3)),
        ..Container::default()
    }
}
