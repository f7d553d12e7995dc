//! Shell. `cargo xtask cluster`: a real Kubernetes of several nodes on this machine, for tests.
//! Each node has a network namespace, a containerd, a kubelet and a kube-proxy of its own.

mod arguments;
mod build;
mod certificates;
mod cgroups;
mod command;
mod configs;
mod control_plane;
mod daemons;
mod down;
mod host;
mod image;
mod layout;
mod network;
mod packages;
mod programs;
mod records;
mod requirements;
#[cfg(test)]
mod tests;
mod up;
pub(crate) mod wait;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, anyhow, bail};

use arguments::{Action, USAGE};
pub(crate) use control_plane::ControlPlane;
pub(crate) use image::Image;
use layout::Layout;
pub(crate) use requirements::Reason;
use requirements::{Facts, judge};

/// In the cluster's directory: how many nodes it has. Also the sign that the directory is ours.
const NODES_FILE: &str = "nodes";

/// Runs a command of `cargo xtask cluster`.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let arguments = arguments::parse(arguments).map_err(|wrong| anyhow!("{wrong}\n\n{USAGE}"))?;
    let directory = match arguments.directory {
        Some(directory) => std::path::absolute(directory).context("cannot tell the directory")?,
        None => crate::root().join("target/cluster"),
    };
    match arguments.action {
        Action::Up { nodes } => up(&Layout::new(&directory, nodes)),
        Action::Down => down(&directory),
        Action::Status => status(&existing(&directory)?),
        Action::Build => build::build().map(drop),
        Action::LoadImage { archives } => {
            let layout = existing(&directory)?;
            archives.iter().try_for_each(|archive| up::load_image(&layout, archive))
        }
        Action::Disconnect { node } => connect(&existing(&directory)?, &node, false),
        Action::Connect { node } => connect(&existing(&directory)?, &node, true),
    }
}

/// Whether a test cluster can run on this machine.
pub(crate) fn can_run() -> Result<(), Reason> {
    judge(&facts())
}

fn facts() -> Facts {
    let printed = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    Facts {
        linux: cfg!(target_os = "linux"),
        root: printed("id", "-u").is_some_and(|id| id.trim() == "0"),
        debian: Path::new("/etc/debian_version").exists(),
        cgroup_v1: host::mounts().is_ok_and(|mounts| records::has_memory_hierarchy(&mounts)),
        go_version: printed("go", "version"),
    }
}

/// Whether a control plane without nodes can run on this machine: it needs less.
pub(crate) fn can_run_without_nodes() -> Result<(), Reason> {
    let facts = facts();
    let root = facts.root || packages::has_all_without_nodes();
    judge(&Facts { root, debian: facts.debian || root, cgroup_v1: true, ..facts })
}

/// Whether a cluster runs in that directory.
pub(crate) fn runs(directory: &Path) -> bool {
    existing(directory).is_ok_and(|layout| daemons::records(&layout).iter().any(daemons::is_alive))
}

fn up(layout: &Layout) -> anyhow::Result<()> {
    can_run().map_err(|reason| anyhow!("{reason}"))?;
    layout.check().map_err(|wrong| anyhow!(wrong))?;
    if runs_already(layout)? {
        println!("the cluster runs already");
        return usage(layout);
    }
    packages::provide()?;
    let built = build::build()?;
    let began = Instant::now();
    fs::create_dir_all(&layout.directory)
        .with_context(|| format!("cannot make {}", layout.directory.display()))?;
    fs::write(layout.path(NODES_FILE), layout.nodes.len().to_string())
        .context("cannot write to the cluster's directory")?;
    up::start(layout, &built, began).with_context(|| {
        let directory = layout.directory.display();
        format!(
            "the cluster did not start; what there is of it is removed by\n\
             cargo xtask cluster down --dir {directory}\nwhat went wrong"
        )
    })?;
    usage(layout)
}

/// Whether the cluster runs as a whole. Ends what is left of one that does not.
fn runs_already(layout: &Layout) -> anyhow::Result<bool> {
    let runs = |layout: &Layout| {
        let records = daemons::records(layout);
        records.iter().any(daemons::is_alive)
    };
    match host::current() {
        Some(other) if other != layout.directory => {
            if runs(&Layout::new(&other, layout::NODES_MAX)) {
                bail!(
                    "a cluster runs already; end it first: cargo xtask cluster down --dir {}",
                    other.display()
                );
            }
            println!("removing what is left of a cluster in {}", other.display());
            down::end(&other)?;
        }
        Some(_) => {
            let whole = daemons::records(layout).iter().all(daemons::is_alive)
                && existing(&layout.directory).is_ok_and(|running| running == *layout)
                && up::kubectl(layout, &["get", "--raw", "/readyz"]).is_ok();
            if whole {
                return Ok(true);
            }
            println!("the cluster there is not whole, or has another number of nodes: anew");
            down::end(&layout.directory)?;
        }
        None if network::exists() => down::end(&layout.directory)?,
        None => {}
    }
    let mut entries = fs::read_dir(&layout.directory).into_iter().flatten();
    if entries.next().is_some() && !layout.path(NODES_FILE).exists() {
        bail!("{} holds something else", layout.directory.display());
    }
    if layout.directory.exists() {
        fs::remove_dir_all(&layout.directory).context("cannot empty the directory")?;
    }
    Ok(false)
}

fn down(directory: &Path) -> anyhow::Result<()> {
    let ours = directory.join(NODES_FILE).exists();
    if !ours && host::current().is_none_or(|current| current != directory) {
        match host::current() {
            Some(current) => bail!(
                "the cluster that runs is another one: cargo xtask cluster down --dir {}",
                current.display()
            ),
            None if network::exists() => {}
            None => {
                println!("no cluster runs");
                return Ok(());
            }
        }
    }
    if directory.exists() && !ours {
        bail!("{} is not the directory of a test cluster", directory.display());
    }
    down::end(directory)
}

fn existing(directory: &Path) -> anyhow::Result<Layout> {
    let nodes = fs::read_to_string(directory.join(NODES_FILE))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .context("no cluster is there; start one with `cargo xtask cluster up`")?;
    Ok(Layout::new(directory, nodes))
}

fn connect(layout: &Layout, node: &str, connected: bool) -> anyhow::Result<()> {
    let node = layout.node(node).map_err(|wrong| anyhow!(wrong))?;
    network::connect(node, connected)
}

fn status(layout: &Layout) -> anyhow::Result<()> {
    for record in daemons::records(layout) {
        let state = if daemons::is_alive(&record) { "runs" } else { "has ended" };
        println!("{:<26} {state}, process {}", record.name, record.pid);
    }
    print!("\n{}", up::kubectl(layout, &["get", "nodes", "--output", "wide"])?);
    usage(layout)
}

fn usage(layout: &Layout) -> anyhow::Result<()> {
    let bin: PathBuf = layout.path("bin");
    println!(
        "\nexport KUBECONFIG={} PATH={}:$PATH",
        layout.admin_kubeconfig().display(),
        bin.display()
    );
    Ok(())
}
