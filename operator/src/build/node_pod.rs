//! Pure. The pod of a server.

use crd::Durability;
use crd::names::{Component, DATA_VOLUME, NODE_HTTP_PORT, NODE_PEER_PORT, NODE_RESP_PORT};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, ObjectFieldSelector, PodTemplateSpec, VolumeMount,
};

use super::pod::{self, HTTP, PEER, Pod, RESP, port, probe};
use crate::validate::ValidCluster;

const DATA_DIRECTORY: &str = "/data";
/// Half an hour, by every two seconds, to recover what a volume holds.
const START_FAILURES: i32 = 900;

pub(super) fn template(cluster: &ValidCluster) -> PodTemplateSpec {
    let container = Container {
        name: "node".to_owned(),
        args: Some(arguments(cluster)),
        env: Some(vec![pod_name()]),
        ports: Some(vec![
            port(RESP, NODE_RESP_PORT),
            port(HTTP, NODE_HTTP_PORT),
            port(PEER, NODE_PEER_PORT),
        ]),
        startup_probe: Some(probe("/healthz", 2, START_FAILURES)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        // A minute: a server that is slow under load is not made faster by a restart.
        liveness_probe: Some(probe("/healthz", 10, 6)),
        volume_mounts: Some(vec![VolumeMount {
            name: DATA_VOLUME.to_owned(),
            mount_path: DATA_DIRECTORY.to_owned(),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    };
    let settings = &cluster.node.pod;
    pod::template(cluster, Pod { component: Component::Node, settings, container })
}

fn arguments(cluster: &ValidCluster) -> Vec<String> {
    let durability = match cluster.durability {
        Durability::Always => "always",
        Durability::EverySec => "everysec",
    };
    let everywhere = |port: u16| format!("0.0.0.0:{port}");
    let mut arguments = vec!["node".to_owned()];
    for (option, value) in [
        ("--name", "$(POD_NAME)".to_owned()),
        ("--cluster", cluster.cluster_id.to_string()),
        ("--data", DATA_DIRECTORY.to_owned()),
        ("--resp", everywhere(NODE_RESP_PORT)),
        ("--http", everywhere(NODE_HTTP_PORT)),
        ("--peer", everywhere(NODE_PEER_PORT)),
        ("--kubernetes", format!("{}/{}", cluster.namespace, cluster.name)),
        ("--durability", durability.to_owned()),
    ] {
        arguments.extend([option.to_owned(), value]);
    }
    arguments.extend(pod::secret_arguments(cluster));
    arguments
}

fn pod_name() -> EnvVar {
    EnvVar {
        name: "POD_NAME".to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "metadata.name".to_owned(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
        value: None,
    }
}
