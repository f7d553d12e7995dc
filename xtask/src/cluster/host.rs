//! Shell. What the cluster's programs change on the machine outside of the cluster's directory:
//! how it was before, and how it becomes so again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::command::run;
use super::layout::{Layout, NAMESPACE_PREFIX, Node};
use super::records::{
    Mount, loopback_of_attachment, mounts_below, namespace_of_attachment, parse_mounts,
};

/// Where the directory of the cluster that runs is written down.
const POINTER: &str = "/run/ringkv-cluster";
/// Where CNI remembers which pods are attached to which network.
const ATTACHMENTS: &str = "/var/lib/cni/results";
/// Settings that `up` and kubelet change.
const SETTINGS: [&str; 7] = [
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];
/// A chain that every kube-proxy makes and none removes, since kubelet may use it too.
const FIREWALL: &str = "KUBE-FIREWALL";
/// Both that proxies set rules for.
const IPTABLES: [&str; 2] = ["iptables", "ip6tables"];
/// Where `ip netns` mounts a directory on itself.
const NAMESPACES: &str = "/run/netns";
/// Directories that kubelet makes whatever its own is.
const KUBELET_DIRECTORIES: [&str; 3] = ["/var/lib/kubelet", "/var/log/containers", "/var/log/pods"];
/// Directories that containerd and CNI may share with others.
const SHARED_DIRECTORIES: [&str; 8] = [
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/run/containerd/runc",
    "/run/containerd",
    "/var/lib/cni/cache",
    "/var/lib/cni/networks",
    "/var/lib/cni/results",
    "/var/lib/cni",
];

/// The directory of the cluster that runs, or ran and was not ended.
pub(crate) fn current() -> Option<PathBuf> {
    let text = fs::read_to_string(POINTER).ok()?;
    Some(PathBuf::from(text.trim_end()))
}

/// Writes down what `restore` needs.
pub(crate) fn remember(layout: &Layout) -> anyhow::Result<()> {
    fs::write(POINTER, format!("{}\n", layout.directory.display()))
        .with_context(|| format!("cannot write {POINTER}"))?;
    let mut settings = String::new();
    for name in SETTINGS {
        if let Ok(value) = fs::read_to_string(Path::new("/proc/sys").join(name)) {
            settings.push_str(&format!("{name} {value}"));
        }
    }
    fs::write(layout.path("settings"), settings).context("cannot write down settings")?;
    let absent = KUBELET_DIRECTORIES.iter().filter(|path| !Path::new(path).exists());
    let mut absent: Vec<&str> = absent.copied().collect();
    if !IPTABLES.iter().any(|iptables| has_firewall(iptables)) {
        absent.push(FIREWALL);
    }
    if !Path::new(NAMESPACES).exists() {
        absent.push(NAMESPACES);
    }
    fs::write(layout.path("absent"), absent.join("\n")).context("cannot write down what is absent")
}

/// What is mounted.
pub(crate) fn mounts() -> anyhow::Result<Vec<Mount>> {
    let text = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
    Ok(parse_mounts(&text))
}

/// Unmounts everything in the cluster's directory, and the network namespaces of its pods.
pub(crate) fn unmount(layout: &Layout) -> anyhow::Result<()> {
    for target in mounts_below(&mounts()?, &layout.directory) {
        run("umount", &[target.to_string_lossy()])?;
    }
    for name in attachments() {
        let path = Path::new(ATTACHMENTS).join(&name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        if let Some(namespace) = namespace_of_attachment(&text) {
            // It is not mounted any more if the pod was ended in time.
            let _ = run("umount", &[namespace]);
            let _ = fs::remove_file(namespace);
        }
        fs::remove_file(&path).context("cannot remove what CNI remembers")?;
        if let Some(loopback) = loopback_of_attachment(&name) {
            let _ = fs::remove_file(Path::new(ATTACHMENTS).join(loopback));
        }
    }
    Ok(())
}

/// Sets back what `remember` has written down, and removes what was made elsewhere.
pub(crate) fn restore(layout: &Layout) -> anyhow::Result<()> {
    for node in &layout.nodes {
        shim_sockets(layout, *node).iter().for_each(|socket| drop(fs::remove_file(socket)));
    }
    let settings = fs::read_to_string(layout.path("settings")).unwrap_or_default();
    for (name, value) in settings.lines().filter_map(|line| line.split_once(' ')) {
        let path = Path::new("/proc/sys").join(name);
        if fs::read_to_string(&path).is_ok_and(|now| now.trim_end() != value) {
            fs::write(&path, value).with_context(|| format!("cannot set back {name}"))?;
        }
    }
    let absent = fs::read_to_string(layout.path("absent")).unwrap_or_default();
    for directory in absent.lines().filter(|path| KUBELET_DIRECTORIES.contains(path)) {
        if Path::new(directory).exists() {
            fs::remove_dir_all(directory).with_context(|| format!("cannot remove {directory}"))?;
        }
    }
    if absent.lines().any(|line| line == FIREWALL) {
        IPTABLES.iter().try_for_each(|iptables| remove_firewall(iptables))?;
    }
    if absent.lines().any(|line| line == NAMESPACES)
        && fs::read_dir(NAMESPACES).is_ok_and(|mut entries| entries.next().is_none())
    {
        // Not mounted if no namespace was made; in use if another makes one just now.
        let _ = run("umount", &[NAMESPACES]);
        let _ = fs::remove_dir(NAMESPACES);
    }
    for directory in SHARED_DIRECTORIES {
        // Only if nothing is in it.
        let _ = fs::remove_dir(directory);
    }
    Ok(())
}

/// Removes the cluster's directory.
pub(crate) fn forget(layout: &Layout) -> anyhow::Result<()> {
    if layout.directory.exists() {
        fs::remove_dir_all(&layout.directory)
            .with_context(|| format!("cannot remove {}", layout.directory.display()))?;
    }
    if Path::new(POINTER).exists() {
        fs::remove_file(POINTER).with_context(|| format!("cannot remove {POINTER}"))?;
    }
    Ok(())
}

fn has_firewall(iptables: &str) -> bool {
    run(iptables, &["-w", "-n", "-L", FIREWALL]).is_ok()
}

fn remove_firewall(iptables: &str) -> anyhow::Result<()> {
    if !has_firewall(iptables) {
        return Ok(());
    }
    for chain in ["INPUT", "OUTPUT"] {
        while run(iptables, &["-w", "-D", chain, "-j", FIREWALL]).is_ok() {}
    }
    run(iptables, &["-w", "-F", FIREWALL])?;
    run(iptables, &["-w", "-X", FIREWALL]).map(drop)
}

/// By what names CNI remembers the attachments of the cluster's pods.
fn attachments() -> Vec<String> {
    let entries = fs::read_dir(ATTACHMENTS).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(NAMESPACE_PREFIX)).collect()
}

/// The sockets of a node's shims, which these do not remove when they are ended.
fn shim_sockets(layout: &Layout, node: Node) -> Vec<PathBuf> {
    let tasks = layout.node_directory(node).join("run/io.containerd.runtime.v2.task/k8s.io");
    let tasks = fs::read_dir(tasks).into_iter().flatten().flatten();
    let addresses = tasks.filter_map(|task| fs::read_to_string(task.path().join("address")).ok());
    let sockets = addresses.filter_map(|address| {
        let socket = address.trim().strip_prefix("unix://")?.to_owned();
        socket.starts_with("/run/containerd/s/").then(|| PathBuf::from(socket))
    });
    sockets.collect()
}
