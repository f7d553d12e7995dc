//! Pure. The programs of a cluster and their arguments.

use std::path::{Path, PathBuf};

use super::certificates::{AUTHORITY, SERVICE_ACCOUNTS};
use super::layout::{Layout, Node, POD_RANGE, SERVICE_RANGE};

/// The controllers that bring the objects of a cluster to life where there is no node.
const CONTROLLERS_WITHOUT_NODES: [&str; 9] = [
    "deployment-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "replicaset-controller",
    "serviceaccount-controller",
    "statefulset-controller",
];

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// Of the process and of its log.
    pub(crate) name: String,
    pub(crate) binary: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The node in whose network it runs; none for the host.
    pub(crate) node: Option<Node>,
}

pub(crate) fn etcd(layout: &Layout) -> Program {
    Program {
        name: "etcd".to_owned(),
        binary: PathBuf::from("/usr/bin/etcd"),
        arguments: vec![
            flag("data-dir", &text(&layout.path("etcd"))),
            flag("listen-client-urls", layout.listens.etcd_clients),
            flag("advertise-client-urls", layout.listens.etcd_clients),
            flag("listen-peer-urls", layout.listens.etcd_peers),
            flag("initial-advertise-peer-urls", layout.listens.etcd_peers),
            flag("initial-cluster", &format!("default={}", layout.listens.etcd_peers)),
            // It need not outlive the machine.
            "--unsafe-no-fsync".to_owned(),
        ],
        node: None,
    }
}

pub(crate) fn api_server(layout: &Layout) -> Program {
    let service_accounts = text(&layout.key(SERVICE_ACCOUNTS));
    let mut arguments = vec![
        flag("etcd-servers", layout.listens.etcd_clients),
        flag("bind-address", layout.listens.address),
        flag("advertise-address", layout.listens.address),
        flag("secure-port", layout.listens.port),
        flag("client-ca-file", &text(&layout.certificate(AUTHORITY))),
        flag("tls-cert-file", &text(&layout.certificate("apiserver"))),
        flag("tls-private-key-file", &text(&layout.key("apiserver"))),
        flag("kubelet-client-certificate", &text(&layout.certificate("apiserver-kubelet"))),
        flag("kubelet-client-key", &text(&layout.key("apiserver-kubelet"))),
        // The names of nodes resolve nowhere.
        flag("kubelet-preferred-address-types", "InternalIP"),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        flag("service-account-key-file", &service_accounts),
        flag("service-account-signing-key-file", &service_accounts),
        flag("service-cluster-ip-range", SERVICE_RANGE),
        flag("authorization-mode", "Node,RBAC"),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("allow-privileged", "true"),
    ];
    if layout.nodes.is_empty() {
        // A Service of it could not lead to the loopback.
        arguments.push(flag("endpoint-reconciler-type", "none"));
    }
    kubernetes(layout, "kube-apiserver", arguments)
}

pub(crate) fn controller_manager(layout: &Layout) -> Program {
    let mut arguments = vec![
        flag("bind-address", "127.0.0.1"),
        flag("leader-elect", "false"),
        flag("use-service-account-credentials", "true"),
        flag("service-account-private-key-file", &text(&layout.key(SERVICE_ACCOUNTS))),
        flag("root-ca-file", &text(&layout.certificate(AUTHORITY))),
        flag("cluster-signing-cert-file", &text(&layout.certificate(AUTHORITY))),
        flag("cluster-signing-key-file", &text(&layout.key(AUTHORITY))),
        // Each node has its range of addresses from its own configuration.
        flag("allocate-node-cidrs", "false"),
        flag("cluster-cidr", POD_RANGE),
        // A lost node is noticed soon: tests wait for it.
        flag("node-monitor-period", "2s"),
        flag("node-monitor-grace-period", "16s"),
    ];
    if layout.nodes.is_empty() {
        arguments.push(flag("controllers", &CONTROLLERS_WITHOUT_NODES.join(",")));
        // Beside that of a cluster of nodes, and for many tests at a time.
        arguments.push(flag("secure-port", "0"));
        arguments.push(flag("kube-api-qps", "1000"));
        arguments.push(flag("kube-api-burst", "2000"));
        arguments.push(flag("concurrent-statefulset-syncs", "20"));
    }
    arguments.extend(kubeconfigs(layout, "controller-manager"));
    kubernetes(layout, "kube-controller-manager", arguments)
}

pub(crate) fn scheduler(layout: &Layout) -> Program {
    let mut arguments = vec![flag("bind-address", "127.0.0.1"), flag("leader-elect", "false")];
    arguments.extend(kubeconfigs(layout, "scheduler"));
    kubernetes(layout, "kube-scheduler", arguments)
}

pub(crate) fn volume_provisioner(layout: &Layout) -> Program {
    let arguments = vec![
        flag("kubeconfig", &text(&layout.kubeconfig("volume-provisioner"))),
        flag("directory", &text(&layout.path("volumes"))),
    ];
    kubernetes(layout, "volume-provisioner", arguments)
}

pub(crate) fn containerd(layout: &Layout, node: Node) -> Program {
    let config = layout.node_directory(node).join("containerd.toml");
    Program {
        name: format!("containerd-{}", node.name()),
        binary: PathBuf::from("/usr/bin/containerd"),
        arguments: vec!["--config".to_owned(), text(&config)],
        node: Some(node),
    }
}

pub(crate) fn kubelet(layout: &Layout, node: Node) -> Program {
    let directory = layout.node_directory(node);
    let arguments = vec![
        flag("config", &text(&directory.join("kubelet.yaml"))),
        flag("kubeconfig", &text(&layout.kubeconfig(&node.name()))),
        flag("root-dir", &text(&directory.join("kubelet"))),
        flag("cert-dir", &text(&directory.join("pki"))),
        flag("hostname-override", &node.name()),
        flag("node-ip", &node.address()),
        flag("node-labels", &format!("topology.kubernetes.io/zone={}", node.zone())),
    ];
    on_node(kubernetes(layout, "kubelet", arguments), node)
}

pub(crate) fn proxy(layout: &Layout, node: Node) -> Program {
    on_node(kubernetes(layout, "kube-proxy", proxy_arguments(layout, node)), node)
}

/// One more proxy, with which the host reaches Services too. It takes part as the first node,
/// which matters only to Services that keep to one node.
pub(crate) fn host_proxy(layout: &Layout) -> Program {
    let mut program = kubernetes(layout, "kube-proxy", proxy_arguments(layout, Node(1)));
    program.name = "kube-proxy-host".to_owned();
    program
}

fn proxy_arguments(layout: &Layout, node: Node) -> Vec<String> {
    vec![
        flag("kubeconfig", &text(&layout.kubeconfig("proxy"))),
        flag("hostname-override", &node.name()),
        flag("proxy-mode", "iptables"),
        flag("cluster-cidr", POD_RANGE),
        flag("healthz-bind-address", "127.0.0.1:10256"),
        flag("metrics-bind-address", "127.0.0.1:10249"),
        // Settings of the whole machine stay as they are.
        flag("iptables-localhost-nodeports", "false"),
        flag("conntrack-max-per-core", "0"),
        flag("conntrack-tcp-timeout-established", "0s"),
        flag("conntrack-tcp-timeout-close-wait", "0s"),
    ]
}

fn kubernetes(layout: &Layout, name: &str, arguments: Vec<String>) -> Program {
    Program { name: name.to_owned(), binary: layout.binary(name), arguments, node: None }
}

fn on_node(program: Program, node: Node) -> Program {
    let name = format!("{}-{}", program.name, node.name());
    Program { name, node: Some(node), ..program }
}

fn kubeconfigs(layout: &Layout, name: &str) -> Vec<String> {
    let path = text(&layout.kubeconfig(name));
    ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"]
        .map(|name| flag(name, &path))
        .to_vec()
}

fn flag(name: &str, value: &str) -> String {
    format!("--{name}={value}")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
