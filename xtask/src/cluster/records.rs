//! Pure. What is written down about processes and mounts, so that only what is the cluster's own
//! is ended.

use std::path::{Path, PathBuf};

/// A process that was started. A process id alone may long be another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) pid: i32,
    /// In clock ticks since the machine started.
    pub(crate) started: u64,
}

impl Record {
    /// The line of it.
    pub(crate) fn line(&self) -> String {
        format!("{} {} {}\n", self.pid, self.started, self.name)
    }
}

/// Reads such lines. A half-written one is left out.
pub(crate) fn parse_records(text: &str) -> Vec<Record> {
    let parse = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let pid = words.next()?.parse().ok()?;
        let started = words.next()?.parse().ok()?;
        Some(Record { name: words.next()?.to_owned(), pid, started })
    };
    text.lines().filter_map(parse).collect()
}

/// When the process began of which this is /proc/PID/stat; nothing if it has ended already and
/// only waits for its parent to notice.
pub(crate) fn start_of(stat: &str) -> Option<u64> {
    // The name of the program is in brackets and may hold anything, brackets too.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    if matches!(fields.first(), None | Some(&"Z" | &"X")) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Whether /proc/PID/cmdline is that of a shim of the containerd at that socket.
pub(crate) fn is_shim_of(command_line: &[u8], socket: &Path) -> bool {
    let mut words = command_line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    program.ends_with(b"containerd-shim-runc-v2")
        && words.any(|word| word == socket.as_os_str().as_encoded_bytes())
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) target: PathBuf,
    pub(crate) kind: String,
    pub(crate) options: String,
}

/// Reads /proc/mounts, in the order of mounting.
pub(crate) fn parse_mounts(text: &str) -> Vec<Mount> {
    let parse = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let target = PathBuf::from(unescape(words.next()?));
        let kind = words.next()?.to_owned();
        Some(Mount { target, kind, options: words.next()?.to_owned() })
    };
    text.lines().filter_map(parse).collect()
}

/// What is mounted in or below the directory, the last mounted first.
pub(crate) fn mounts_below<'a>(mounts: &'a [Mount], directory: &Path) -> Vec<&'a Path> {
    let targets = mounts.iter().rev().map(|mount| mount.target.as_path());
    targets.filter(|target| target.starts_with(directory)).collect()
}

/// Where hierarchies of cgroups are mounted, of version 1 (`cgroup`) or 2 (`cgroup2`).
pub(crate) fn cgroup_hierarchies<'a>(
    mounts: &'a [Mount],
    kinds: &'a [&str],
) -> impl Iterator<Item = &'a Path> {
    let cgroups = mounts.iter().filter(|mount| kinds.contains(&mount.kind.as_str()));
    cgroups.map(|mount| mount.target.as_path())
}

/// Whether the memory of cgroups of version 1 is accounted.
pub(crate) fn has_memory_hierarchy(mounts: &[Mount]) -> bool {
    mounts.iter().any(|mount| {
        mount.kind == "cgroup" && mount.options.split(',').any(|option| option == "memory")
    })
}

/// The path of a pod's network namespace, from what CNI remembers of its attachment to a network.
pub(crate) fn namespace_of_attachment(json: &str) -> Option<&str> {
    let values = json.split("\"sandbox\":").skip(1);
    let mut paths =
        values.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    paths.find(|path| path.contains("/run/netns/cni-") && !path.contains(".."))
}

/// The name under which CNI remembers the loopback of the same pod.
pub(crate) fn loopback_of_attachment(name: &str) -> Option<String> {
    let (_, container) = name.strip_suffix("-eth0")?.rsplit_once('-')?;
    Some(format!("cni-loopback-{container}-lo"))
}

/// Undoes the octal escapes for blanks of /proc/mounts.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}
