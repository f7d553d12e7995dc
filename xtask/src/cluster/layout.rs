//! Pure. Where the test cluster is: its directory, the names and addresses of its nodes.

use std::path::{Path, PathBuf};

/// The most nodes; their numbers are one digit of their addresses.
pub(crate) const NODES_MAX: u8 = 9;
/// The bridge between the nodes and the host.
pub(crate) const BRIDGE: &str = "ringkv0";
/// The address of the host on the bridge, at which the API server listens.
pub(crate) const HOST_ADDRESS: &str = "172.30.0.1";
/// All pods' addresses.
pub(crate) const POD_RANGE: &str = "10.244.0.0/16";
/// All Services' addresses.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The Service address of the API server.
pub(crate) const API_SERVICE_ADDRESS: &str = "10.96.0.1";
/// With this the names of all network namespaces and cgroups of nodes begin.
pub(crate) const NAMESPACE_PREFIX: &str = "ringkv-node";
/// The image of every pod's first container.
pub(crate) const PAUSE_IMAGE: &str = "ringkv.test/pause:1";
/// The longest path of a Unix socket, in bytes.
const SOCKET_PATH_MAX: usize = 107;

/// A cluster and its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) directory: PathBuf,
    pub(crate) nodes: Vec<Node>,
    pub(crate) listens: Listens,
}

/// Where the control plane listens. Ports apart from the usual ones, so that an etcd that the
/// machine has is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listens {
    /// The API server.
    pub(crate) address: &'static str,
    pub(crate) port: &'static str,
    /// etcd, for its clients and for its like.
    pub(crate) etcd_clients: &'static str,
    pub(crate) etcd_peers: &'static str,
}

/// Of a cluster of nodes, on the bridge.
const ON_THE_BRIDGE: Listens = Listens {
    address: HOST_ADDRESS,
    port: "6443",
    etcd_clients: "http://127.0.0.1:23790",
    etcd_peers: "http://127.0.0.1:23800",
};

/// Of a control plane alone. It may run beside a cluster of nodes.
const ON_THE_LOOPBACK: Listens = Listens {
    address: "127.0.0.1",
    port: "16443",
    etcd_clients: "http://127.0.0.1:23890",
    etcd_peers: "http://127.0.0.1:23900",
};

/// One node, by its number, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) u8);

impl Layout {
    pub(crate) fn new(directory: &Path, nodes: u8) -> Self {
        let nodes = (1..=nodes).map(Node).collect();
        Self { directory: directory.to_path_buf(), nodes, listens: ON_THE_BRIDGE }
    }

    /// A control plane without any node.
    pub(crate) fn without_nodes(directory: &Path) -> Self {
        let (directory, nodes) = (directory.to_path_buf(), Vec::new());
        Self { directory, nodes, listens: ON_THE_LOOPBACK }
    }

    /// The URL of the API server.
    pub(crate) fn api_server(&self) -> String {
        format!("https://{}:{}", self.listens.address, self.listens.port)
    }

    /// Whether the sockets in the directory can be opened; the error says what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        let longest = self.nodes.last().map(|node| self.socket(*node)).unwrap_or_default();
        let excess = longest.as_os_str().len().saturating_sub(SOCKET_PATH_MAX);
        if excess > 0 {
            return Err(format!(
                "the path {} is {excess} bytes longer than that of a socket may be; \
                 give a shorter directory with --dir",
                longest.display()
            ));
        }
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.directory.join("pki").join(format!("{name}.crt"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.directory.join("pki").join(format!("{name}.key"))
    }

    /// The kubeconfig of a component.
    pub(crate) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.directory.join("pki").join(format!("{name}.kubeconfig"))
    }

    /// The kubeconfig of who uses the cluster.
    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.directory.join("logs").join(format!("{process}.log"))
    }

    pub(crate) fn node_directory(&self, node: Node) -> PathBuf {
        self.directory.join(node.name())
    }

    /// The socket of the node's containerd.
    pub(crate) fn socket(&self, node: Node) -> PathBuf {
        self.node_directory(node).join("containerd.sock")
    }

    /// The node of that name.
    pub(crate) fn node(&self, name: &str) -> Result<Node, String> {
        self.nodes.iter().find(|node| node.name() == name).copied().ok_or_else(|| {
            let names: Vec<String> = self.nodes.iter().map(|node| node.name()).collect();
            format!("there is no node {name}; there are {}", names.join(", "))
        })
    }
}

impl Node {
    pub(crate) fn name(self) -> String {
        format!("node{}", self.0)
    }

    /// The name of its network namespace, and of its cgroup in each hierarchy.
    pub(crate) fn namespace(self) -> String {
        format!("{NAMESPACE_PREFIX}{}", self.0)
    }

    pub(crate) fn address(self) -> String {
        format!("172.30.0.1{}", self.0)
    }

    pub(crate) fn pod_subnet(self) -> String {
        format!("10.244.{}.0/24", self.0)
    }

    /// The host's end of its cable.
    pub(crate) fn link(self) -> String {
        format!("ringkv{}", self.0)
    }

    pub(crate) fn zone(self) -> String {
        format!("zone-{}", self.0)
    }
}
