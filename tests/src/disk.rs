//! Shell. A small disk: a file system in memory, whose room can be taken away.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// What a file system may be larger than what it was asked for: sizes are in whole pages.
const PAGE_BYTES: u64 = 4_096;

/// A mounted file system, unmounted when dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one of this size at a directory that there is; `None` where that is not allowed.
    ///
    /// # Errors
    /// There is no `mount`.
    pub fn mount(path: &Path, size: &str) -> anyhow::Result<Option<Self>> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(path);
        let mounted = mount.output().context("cannot run mount")?.status.success();
        Ok(mounted.then(|| Self(path.to_path_buf())))
    }

    /// Changes its size.
    ///
    /// # Errors
    /// More than that is in use.
    pub fn resize(&self, size: &str) -> anyhow::Result<()> {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={size}")]).arg(&self.0);
        ensure!(mount.status()?.success(), "cannot resize {} to {size}", self.0.display());
        Ok(())
    }

    /// Takes its room away, but for so many bytes.
    ///
    /// # Errors
    /// Somebody writes faster than the size can be set.
    pub fn leave(&self, bytes: u64) -> anyhow::Result<()> {
        let stat = rustix::fs::statvfs(&self.0)?;
        let used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize;
        self.resize(&(used + bytes + PAGE_BYTES).to_string())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is still in use goes when it is not any more.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}
