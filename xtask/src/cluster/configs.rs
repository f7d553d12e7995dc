//! Pure. The texts of the cluster's configuration files.

use super::certificates::AUTHORITY;
use super::layout::{Layout, Node, PAUSE_IMAGE};

/// The class of volumes that claims get which name none.
pub(crate) const STORAGE_CLASS: &str = include_str!("templates/storage-class.yaml");

/// The configuration of a node's containerd.
pub(crate) fn containerd(layout: &Layout, node: Node) -> String {
    fill(include_str!("templates/containerd.toml"), layout, node)
}

/// How the pods of a node get onto the network.
pub(crate) fn cni(layout: &Layout, node: Node) -> String {
    fill(include_str!("templates/cni.json"), layout, node)
}

/// The configuration of a node's kubelet.
pub(crate) fn kubelet(layout: &Layout, node: Node) -> String {
    fill(include_str!("templates/kubelet.yaml"), layout, node)
}

/// How who has the certificate of that name reaches the API server.
pub(crate) fn kubeconfig(layout: &Layout, name: &str) -> String {
    include_str!("templates/kubeconfig.yaml")
        .replace("${SERVER}", &layout.api_server())
        .replace("${CA}", &layout.certificate(AUTHORITY).display().to_string())
        .replace("${USER}", name)
        .replace("${CERTIFICATE}", &layout.certificate(name).display().to_string())
        .replace("${KEY}", &layout.key(name).display().to_string())
}

fn fill(template: &str, layout: &Layout, node: Node) -> String {
    template
        .replace("${NODE}", &layout.node_directory(node).display().to_string())
        .replace("${SOCKET}", &layout.socket(node).display().to_string())
        .replace("${NAMESPACE}", &node.namespace())
        .replace("${POD_SUBNET}", &node.pod_subnet())
        .replace("${CA}", &layout.certificate(AUTHORITY).display().to_string())
        .replace("${PAUSE_IMAGE}", PAUSE_IMAGE)
}
