//! Shell. A file system of its own that can lose its power: ext4 in a file, through a loop device.
//!
//! The power goes by ext4's own shutdown (`EXT4_IOC_SHUTDOWN` without a flush of its log): from
//! then on nothing reaches the device any more, neither data nor journal. What the kernel had
//! written before stays, so this is a disk without a volatile cache of its own.
//!
//! The call is made by perl, which is on every Debian (`perl-base` is essential): no safe wrapper
//! of this ioctl exists, and this repository has no unsafe code.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Sparse; as much is used as is written. The server keeps some free for its engine's work.
const IMAGE_BYTES: u64 = 1 << 30;
/// `_IOR('X', 125, __u32)` and `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUTDOWN: &str = "open(my $f, '<', $ARGV[0]) or die \"$ARGV[0]: $!\"; \
                        my $flags = pack('L', 2); \
                        ioctl($f, 0x8004587d, $flags) or die \"shutdown: $!\";";

/// A mounted file system, unmounted when dropped.
pub struct Disk {
    image: PathBuf,
    path: PathBuf,
    is_mounted: bool,
}

impl Disk {
    /// Makes and mounts one; `Err` inside is why that is not possible here.
    ///
    /// # Errors
    /// Something else went wrong.
    pub fn make(directory: &Path, name: &str) -> anyhow::Result<Result<Self, String>> {
        let image = directory.join(format!("{name}.ext4"));
        let path = directory.join(format!("{name}.mount"));
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        fs::create_dir_all(&path)?;
        let mut mkfs = Command::new("mkfs.ext4");
        if let Err(error) = run(mkfs.args(["-q", "-F", "-m", "0"]).arg(&image)) {
            return Ok(Err(format!("{error:#}")));
        }
        let mut disk = Self { image, path, is_mounted: false };
        Ok(disk.mount().map(|()| disk).map_err(|error| format!("{error:#}")))
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes its power away.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn cut_power(&self) -> anyhow::Result<()> {
        run(Command::new("perl").args(["-e", SHUTDOWN]).arg(&self.path))
    }

    /// Takes the dead file system away and mounts what is on the device, as after a reboot.
    ///
    /// # Errors
    /// Somebody uses it still, or it cannot be mounted.
    pub fn reboot(&mut self) -> anyhow::Result<()> {
        run(Command::new("umount").arg(&self.path))?;
        self.is_mounted = false;
        self.mount()
    }

    fn mount(&mut self) -> anyhow::Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.path))?;
        self.is_mounted = true;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // Who still uses it keeps it until then.
            let _ = Command::new("umount").arg("--lazy").arg(&self.path).output();
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "{program}: {text}");
    Ok(())
}
