//! Pure. What the pods of servers and routers have in common: who they run as, where they run, how
//! they are watched, and the secrets that they see.

use std::collections::BTreeMap;

use crd::names::Component;
use crd::{ImagePullPolicy, PodSettings};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, HTTPGetAction, KeyToPath,
    LocalObjectReference, PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource,
    SecurityContext, TopologySpreadConstraint, Volume, VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{Labels, labels, merged, selector};
use super::secrets::{PASSWORD, TOKEN};
use crate::validate::ValidCluster;

/// Ports by name, in pods and Services.
pub(super) const RESP: &str = "resp";
pub(super) const HTTP: &str = "http";
pub(super) const PEER: &str = "peer";

/// Nobody in particular; the image has the same.
const USER: i64 = 65532;
/// In-flight commands are finished, and a server flushes.
const GRACE_SECONDS: i64 = 60;
const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const INTERNAL: &str = "internal";
const INTERNAL_DIRECTORY: &str = "/etc/ringkv/internal";
const AUTH: &str = "auth";
const AUTH_DIRECTORY: &str = "/etc/ringkv/auth";
/// Readable by the group that the pod runs as.
const SECRET_MODE: i32 = 0o440;

/// What is special about a kind of pod.
pub(super) struct Pod<'a> {
    pub(super) component: Component,
    pub(super) settings: &'a PodSettings,
    /// With name, arguments, ports, probes and mounts of its own.
    pub(super) container: Container,
}

/// The template of such pods.
pub(super) fn template(cluster: &ValidCluster, pod: Pod<'_>) -> PodTemplateSpec {
    let Pod { component, settings, container } = pod;
    let account = cluster.names().account(component);
    let pull_secrets = cluster.image_pull_secrets.iter();
    let pull_secrets: Vec<_> =
        pull_secrets.map(|name| LocalObjectReference { name: name.clone() }).collect();
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(merged(&settings.labels, labels(cluster, component))),
            annotations: given(&settings.annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(account),
            automount_service_account_token: Some(true),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            security_context: Some(pod_security()),
            image_pull_secrets: Some(pull_secrets).filter(|some| !some.is_empty()),
            affinity: Some(affinity(cluster, component, settings)),
            topology_spread_constraints: Some(spread(cluster, component, settings)),
            tolerations: Some(settings.tolerations.clone()).filter(|some| !some.is_empty()),
            node_selector: given(&settings.node_selector),
            priority_class_name: settings.priority_class_name.clone(),
            containers: vec![contained(cluster, settings, container)],
            volumes: Some(secret_volumes(cluster)),
            ..PodSpec::default()
        }),
    }
}

/// Options that name the files of [`secret_volumes`].
pub(super) fn secret_arguments(cluster: &ValidCluster) -> Vec<String> {
    let mut arguments = vec!["--token-file".to_owned(), format!("{INTERNAL_DIRECTORY}/{TOKEN}")];
    if cluster.auth.is_some() {
        arguments.push("--password-file".to_owned());
        arguments.push(format!("{AUTH_DIRECTORY}/{PASSWORD}"));
    }
    arguments
}

/// Listens there.
pub(super) fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// Asks that path, every so many seconds; so many failures in a row count.
pub(super) fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(HTTP.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn given(map: &Labels) -> Option<Labels> {
    Some(map.clone()).filter(|map| !map.is_empty())
}

fn contained(cluster: &ValidCluster, settings: &PodSettings, container: Container) -> Container {
    let mut mounts = container.volume_mounts.unwrap_or_default();
    mounts.push(read_only(INTERNAL, INTERNAL_DIRECTORY));
    if cluster.auth.is_some() {
        mounts.push(read_only(AUTH, AUTH_DIRECTORY));
    }
    let pull_policy = cluster.image_pull_policy.map(|policy| match policy {
        ImagePullPolicy::Always => "Always",
        ImagePullPolicy::IfNotPresent => "IfNotPresent",
        ImagePullPolicy::Never => "Never",
    });
    Container {
        image: Some(cluster.image.clone()),
        image_pull_policy: pull_policy.map(str::to_owned),
        resources: Some(settings.resources.clone().unwrap_or_else(default_resources)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts),
        ..container
    }
}

/// No limits: a server that is killed for its memory takes its part of the ring away.
fn default_resources() -> ResourceRequirements {
    let requests = [("cpu", "100m"), ("memory", "128Mi")];
    let requests = requests.map(|(kind, amount)| (kind.to_owned(), Quantity(amount.to_owned())));
    ResourceRequirements {
        requests: Some(BTreeMap::from(requests)),
        ..ResourceRequirements::default()
    }
}

/// What the restricted Pod Security Standard asks for. A volume's files are given to the group once
/// and not at each start, which takes long on many files.
fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

/// As given; if not, rather on machines where there is no pod of the kind yet.
fn affinity(cluster: &ValidCluster, component: Component, settings: &PodSettings) -> Affinity {
    if let Some(affinity) = &settings.affinity {
        return affinity.clone();
    }
    let term = PodAffinityTerm {
        label_selector: Some(selector(cluster, component)),
        topology_key: HOSTNAME.to_owned(),
        ..PodAffinityTerm::default()
    };
    let weighted = WeightedPodAffinityTerm { weight: 100, pod_affinity_term: term };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![weighted]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// As given, or over machines and zones where possible. A selector that is left out or empty would
/// select no pod or all pods: the constraint would do nothing, or the wrong thing.
fn spread(
    cluster: &ValidCluster,
    component: Component,
    settings: &PodSettings,
) -> Vec<TopologySpreadConstraint> {
    let by_default = || {
        let over = |key: &str| TopologySpreadConstraint {
            topology_key: key.to_owned(),
            max_skew: 1,
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            ..TopologySpreadConstraint::default()
        };
        vec![over(HOSTNAME), over(ZONE)]
    };
    let mut constraints = settings.topology_spread_constraints.clone().unwrap_or_else(by_default);
    for constraint in &mut constraints {
        let given = constraint.label_selector.take();
        let given =
            given.filter(|one| one.match_labels.is_some() || one.match_expressions.is_some());
        constraint.label_selector = given.or_else(|| Some(selector(cluster, component)));
    }
    constraints
}

fn secret_volumes(cluster: &ValidCluster) -> Vec<Volume> {
    let names = cluster.names();
    let mut volumes = vec![secret_volume(INTERNAL, names.internal_secret(), TOKEN)];
    if let Some(auth) = &cluster.auth {
        let secret = auth.existing_secret.clone().unwrap_or_else(|| names.auth_secret());
        volumes.push(secret_volume(AUTH, secret, PASSWORD));
    }
    volumes
}

/// One key of a Secret, so that no other of a user's Secret gets into the pod.
fn secret_volume(name: &str, secret: String, key: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            default_mode: Some(SECRET_MODE),
            items: Some(vec![KeyToPath { key: key.to_owned(), path: key.to_owned(), mode: None }]),
            optional: None,
        }),
        ..Volume::default()
    }
}

fn read_only(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
