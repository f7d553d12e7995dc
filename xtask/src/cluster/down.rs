//! Shell. Ends a cluster, also one that was started only in part, and leaves nothing behind.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;

use super::command::run;
use super::layout::{Layout, NODES_MAX};
use super::{cgroups, daemons, host, network, programs};

/// Ends the cluster of that directory.
pub(crate) fn end(directory: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    let say = |what: &str| println!("{:>6.1} s  {what}", began.elapsed().as_secs_f64());
    let layout = Layout::new(directory, NODES_MAX);
    let records = daemons::records(&layout);
    // A step that fails does not keep the others from being taken, except for the last one.
    let mut failures = Vec::new();
    let mut note = |result: anyhow::Result<()>| {
        if let Err(error) = result {
            failures.push(format!("{error:#}"));
        }
    };
    note(daemons::end(&records));
    for node in &layout.nodes {
        note(daemons::end_shims(&layout.socket(*node)));
    }
    note(host::mounts().and_then(|mounts| cgroups::remove(&mounts)));
    say("processes have ended");
    if records.iter().any(|record| record.name == programs::host_proxy(&layout).name) {
        let proxy = layout.binary("kube-proxy").display().to_string();
        note(run(&proxy, &["--cleanup"]).map(drop));
    }
    note(host::unmount(&layout));
    note(network::remove());
    note(host::restore(&layout));
    say("mounts and the network are removed");
    if !failures.is_empty() {
        bail!("the cluster has not ended as a whole:\n{}", failures.join("\n"));
    }
    host::forget(&layout)?;
    say("nothing is left");
    Ok(())
}
