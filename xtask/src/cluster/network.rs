//! Shell. The network between the nodes: a namespace for each, cables to a bridge, routes to
//! their pods.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::command::{run, run_words};
use super::layout::{BRIDGE, HOST_ADDRESS, Layout, NAMESPACE_PREFIX, Node};

/// What the nodes' own namespaces need: to forward, and to translate Service addresses between
/// two pods of the same node too.
const NODE_SETTINGS: &str = "echo 1 > /proc/sys/net/ipv4/ip_forward && \
     echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables";

/// Lays the network.
pub(crate) fn lay(layout: &Layout) -> anyhow::Result<()> {
    run_words(&format!("ip link add {BRIDGE} type bridge"))?;
    run_words(&format!("ip address add {HOST_ADDRESS}/24 dev {BRIDGE}"))?;
    run_words(&format!("ip link set {BRIDGE} up"))?;
    for rule in forward_rules() {
        run_words(&format!("iptables -w -I {rule}"))?;
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot allow forwarding")?;
    layout.nodes.iter().try_for_each(|node| lay_node(*node))
}

fn lay_node(node: Node) -> anyhow::Result<()> {
    let (namespace, link, address) = (node.namespace(), node.link(), node.address());
    run_words(&format!("ip netns add {namespace}"))?;
    run_words(&format!("ip link add {link} type veth peer name eth0 netns {namespace}"))?;
    run_words(&format!("ip -n {namespace} address add {address}/24 dev eth0"))?;
    run_words(&format!("ip -n {namespace} link set eth0 up"))?;
    run_words(&format!("ip -n {namespace} link set lo up"))?;
    run_words(&format!("ip link set {link} master {BRIDGE} up"))?;
    run_words(&format!("ip -n {namespace} route add default via {HOST_ADDRESS}"))?;
    run_words(&format!("ip route add {} via {address}", node.pod_subnet()))?;
    let enter = format!("--net=/run/netns/{namespace}");
    run("nsenter", &[&enter, "sh", "-c", NODE_SETTINGS]).map(drop)
}

/// Sets a node's cable up or down.
pub(crate) fn connect(node: Node, connected: bool) -> anyhow::Result<()> {
    let state = if connected { "up" } else { "down" };
    run_words(&format!("ip link set {} {state}", node.link())).map(drop)
}

/// Whether there is a network of a test cluster.
pub(crate) fn exists() -> bool {
    Path::new("/sys/class/net").join(BRIDGE).exists()
}

/// Takes all of it away, whatever there is of it. Cables and routes go with their ends.
pub(crate) fn remove() -> anyhow::Result<()> {
    for namespace in namespaces() {
        run_words(&format!("ip netns delete {namespace}"))?;
    }
    // Deleted namespaces live on until the kernel comes to it, and their cables with them.
    for link in (1..=super::layout::NODES_MAX).map(|number| Node(number).link()) {
        if Path::new("/sys/class/net").join(&link).exists() {
            // It may go by itself in this very moment.
            let _ = run_words(&format!("ip link delete {link}"));
        }
    }
    if exists() {
        run_words(&format!("ip link delete {BRIDGE}"))?;
    }
    for rule in forward_rules() {
        while run_words(&format!("iptables -w -D {rule}")).is_ok() {}
    }
    Ok(())
}

fn forward_rules() -> [String; 2] {
    [format!("FORWARD -i {BRIDGE} -j ACCEPT"), format!("FORWARD -o {BRIDGE} -j ACCEPT")]
}

fn namespaces() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(NAMESPACE_PREFIX)).collect()
}
