//! Shell. A control plane of Kubernetes alone, on the loopback, for tests that play the kubelet
//! themselves: etcd, the API server and the controllers that need no node. It starts in seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::layout::Layout;
use super::wait::{self, Look};
use super::{NODES_FILE, build, daemons, packages, up};

const APPLIED_WITHIN: Duration = Duration::from_secs(60);

/// A control plane that runs, and ends with this value.
pub(crate) struct ControlPlane {
    layout: Layout,
}

impl ControlPlane {
    /// Starts one in that directory, empty.
    pub(crate) fn start(directory: &Path) -> anyhow::Result<Self> {
        packages::provide_without_nodes()?;
        let built = build::build()?;
        let layout = Layout::without_nodes(directory);
        // What is left of one whose test was killed.
        daemons::end(&daemons::records(&layout))?;
        if directory.exists() {
            let is_ours = directory.join(NODES_FILE).exists();
            if !is_ours {
                bail!("{} is not the directory of a test cluster", directory.display());
            }
            fs::remove_dir_all(directory).context("cannot empty the directory")?;
        }
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        fs::write(layout.path(NODES_FILE), "0").context("cannot write to the directory")?;
        let plane = Self { layout };
        up::start_without_nodes(&plane.layout, &built)
            .context("the control plane did not start")?;
        Ok(plane)
    }

    /// Applies a manifest, and waits until the definitions in it can be used.
    pub(crate) fn apply(&self, manifest: &Path) -> anyhow::Result<()> {
        let manifest = manifest.display().to_string();
        let apply = ["apply", "--server-side", "--filename", &manifest];
        let condition = "--for=condition=Established";
        let established = ["wait", condition, "--timeout=4s", "--filename", &manifest];
        // On a machine that is busy kubectl gives up before the API server does.
        wait::until("the definitions", APPLIED_WITHIN, None, || {
            let applied = up::kubectl(&self.layout, &apply);
            let result = applied.and_then(|_| up::kubectl(&self.layout, &established));
            Ok(match result {
                Ok(_) => Look::Found(()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
    }

    /// How its admin reaches it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.layout.admin_kubeconfig()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Err(error) = daemons::end(&daemons::records(&self.layout)) {
            println!("the control plane has not ended: {error:#}");
        }
    }
}
