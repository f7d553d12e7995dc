//! Shell. Each node's cgroup, in each hierarchy of version 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::daemons;
use super::layout::{Layout, NAMESPACE_PREFIX};
use super::records::{Mount, cgroup_hierarchies};
use super::wait::{self, Look};

const EMPTY_WITHIN: Duration = Duration::from_secs(20);

/// Makes the nodes' cgroups; kubelet makes those of pods in them.
pub(crate) fn make(layout: &Layout, mounts: &[Mount]) -> anyhow::Result<()> {
    for hierarchy in cgroup_hierarchies(mounts, &["cgroup"]) {
        for node in &layout.nodes {
            let cgroup = hierarchy.join(node.namespace());
            fs::create_dir_all(&cgroup)
                .with_context(|| format!("cannot make {}", cgroup.display()))?;
            // A new cpuset has no processor and no memory.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if let Ok(value) = fs::read(hierarchy.join(file)) {
                    fs::write(cgroup.join(file), value)
                        .with_context(|| format!("cannot write {file}"))?;
                }
            }
        }
    }
    Ok(())
}

/// Ends every process in the nodes' cgroups and removes these.
pub(crate) fn remove(mounts: &[Mount]) -> anyhow::Result<()> {
    // runc makes one in a hierarchy of version 2 too, where both are mounted.
    let hierarchies = cgroup_hierarchies(mounts, &["cgroup", "cgroup2"]);
    let roots: Vec<PathBuf> = hierarchies.flat_map(nodes_in).collect();
    wait::until("the end of the containers", EMPTY_WITHIN, None, || {
        let pids: Vec<i32> = roots.iter().flat_map(|root| processes_in(root)).collect();
        pids.iter().try_for_each(|pid| daemons::kill(*pid))?;
        Ok(Look::is(pids.is_empty(), "some processes are left"))
    })?;
    wait::until("the removal of cgroups", EMPTY_WITHIN, None, || {
        for directory in roots.iter().flat_map(|root| below(root)).rev() {
            if let Err(error) = fs::remove_dir(&directory)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Ok(Look::NotYet(format!("{}: {error}", directory.display())));
            }
        }
        Ok(Look::Found(()))
    })
}

fn nodes_in(hierarchy: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(hierarchy).into_iter().flatten().flatten();
    let nodes =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(NAMESPACE_PREFIX));
    nodes.map(|entry| entry.path()).collect()
}

/// The directory and all in it, parents before children.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    let mut next = 0;
    while let Some(directory) = found.get(next).cloned() {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        next += 1;
    }
    found
}

fn processes_in(root: &Path) -> Vec<i32> {
    let read = |cgroup: PathBuf| fs::read_to_string(cgroup.join("cgroup.procs"));
    let texts = below(root).into_iter().filter_map(|cgroup| read(cgroup).ok());
    let pids = texts
        .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>());
    pids.filter(|pid| *pid > 0).collect()
}
