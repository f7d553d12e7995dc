//! Pure. Whether a test cluster can run on a machine.

use std::fmt;

/// The oldest Go that builds the programs.
const GO_MIN: (u32, u32) = (1, 26);

/// What is known about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) linux: bool,
    pub(crate) root: bool,
    pub(crate) debian: bool,
    /// Whether /proc/mounts names a cgroup hierarchy of version 1 with the memory controller.
    pub(crate) cgroup_v1: bool,
    /// What `go version` prints, if there is a Go.
    pub(crate) go_version: Option<String>,
}

/// Why no test cluster can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NotLinux,
    NotRoot,
    NotDebian,
    NoCgroupV1,
    NoGo,
    OldGo(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a test cluster needs ")?;
        match self {
            Self::NotLinux => f.write_str("Linux"),
            Self::NotRoot => f.write_str("root (it makes network namespaces and mounts)"),
            Self::NotDebian => f.write_str("Debian, whose etcd, containerd and so on it installs"),
            Self::NoCgroupV1 => f.write_str(
                "cgroups of version 1; on a machine with version 2 use kind, and give its \
                 kubeconfig to the tests",
            ),
            Self::NoGo => write!(f, "Go {}.{} to build Kubernetes", GO_MIN.0, GO_MIN.1),
            Self::OldGo(found) => {
                write!(f, "Go {}.{}, found is {found}", GO_MIN.0, GO_MIN.1)
            }
        }
    }
}

/// The first thing that is missing.
pub(crate) fn judge(facts: &Facts) -> Result<(), Reason> {
    if !facts.linux {
        return Err(Reason::NotLinux);
    }
    if !facts.root {
        return Err(Reason::NotRoot);
    }
    if !facts.debian {
        return Err(Reason::NotDebian);
    }
    if !facts.cgroup_v1 {
        return Err(Reason::NoCgroupV1);
    }
    let Some(found) = &facts.go_version else { return Err(Reason::NoGo) };
    match go_version(found) {
        Some(version) if version >= GO_MIN => Ok(()),
        _ => Err(Reason::OldGo(found.trim().to_owned())),
    }
}

/// The version in a line such as `go version go1.26.8 linux/amd64`.
fn go_version(line: &str) -> Option<(u32, u32)> {
    let version = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    let minor = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((1, minor.parse().ok()?))
}
