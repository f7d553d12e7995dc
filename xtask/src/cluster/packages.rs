//! Shell. Installs the Debian packages that a cluster is made of and its tests use.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

/// A file, and the package that has it.
const FILES: [(&str, &str); 13] = [
    ("/usr/bin/buildah", "buildah"),
    ("/usr/bin/containerd", "containerd"),
    ("/usr/bin/etcd", "etcd-server"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/redis-cli", "redis-tools"),
    // containerd forwards ports with it.
    ("/usr/bin/socat", "socat"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/runc", "runc"),
    ("/bin/tar", "tar"),
];

/// What a control plane without nodes is made of.
const WITHOUT_NODES: [&str; 2] = ["etcd-server", "openssl"];

/// Installs what is missing.
pub(crate) fn provide() -> anyhow::Result<()> {
    install(|_| true)
}

/// Whether nothing is missing of what a control plane without nodes needs.
pub(crate) fn has_all_without_nodes() -> bool {
    let needed = FILES.iter().filter(|(_, package)| WITHOUT_NODES.contains(package));
    needed.map(|(file, _)| Path::new(file)).all(Path::exists)
}

/// Installs what is missing of what a control plane without nodes needs.
pub(crate) fn provide_without_nodes() -> anyhow::Result<()> {
    install(|package| WITHOUT_NODES.contains(&package))
}

fn install(is_needed: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let missing: Vec<&str> = FILES
        .iter()
        .filter(|(file, package)| is_needed(package) && !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(", "));
    apt_get(&["update", "--quiet"])?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt_get(&[&install, missing.as_slice()].concat())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    // In this runlevel the packages do not start their services.
    command.env("RUNLEVEL", "1");
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("apt-get {} failed: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}
