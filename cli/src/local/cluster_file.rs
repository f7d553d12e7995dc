//! Pure. What `ringkv local` keeps about its cluster in DIR/cluster.json: which servers there are,
//! where they listen, which are wanted in the ring, and the options that they run with.

use std::collections::BTreeSet;

use handoff::ClusterId;
use ring::Placement;
use serde::{Deserialize, Serialize};

use crate::options::Durability;

/// The version of the JSON form.
pub(super) const CLUSTER_FORMAT: u32 = 1;

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClusterFile {
    pub(super) format: u32,
    pub(super) cluster: ClusterId,
    pub(super) resp_port: u16,
    pub(super) http_port: u16,
    pub(super) durability: Durability,
    pub(super) placement: Placement,
    pub(super) virtual_nodes: u16,
    pub(super) max_bytes_per_second: Option<u64>,
    /// The servers that shall be in the ring, as of the last accepted change. The ring document
    /// follows it as soon as the servers can.
    pub(super) wanted: Vec<String>,
    /// Every server that has a process and a directory.
    pub(super) servers: Vec<ServerEntry>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerEntry {
    pub(super) name: String,
    pub(super) ports: Ports,
    /// It has retired, and its directory is being deleted.
    #[serde(default)]
    pub(super) removing: bool,
}

/// The ports of a server, all on the loopback address; 0 before they are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) resp: u16,
    pub(super) http: u16,
    pub(super) peer: u16,
}

impl Ports {
    pub(super) const fn all(self) -> [u16; 3] {
        [self.resp, self.http, self.peer]
    }
}

/// A file that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClusterFileError {
    #[error(
        "it is not readable: {0}; restore it from a copy: it holds the cluster's id (ring.json has \
         it too), ports and servers"
    )]
    Unreadable(String),
    #[error(
        "it has format {0}, this version of ringkv reads format {CLUSTER_FORMAT}: \
         start the version that wrote it"
    )]
    UnknownFormat(u32),
    #[error("it wants no server, or names one twice")]
    Servers,
}

impl ClusterFile {
    /// Reads the JSON form: the format first, so that a later one is named as such.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, ClusterFileError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| ClusterFileError::Unreadable(error.to_string());
        let head: Head = serde_json::from_slice(json).map_err(unreadable)?;
        if head.format != CLUSTER_FORMAT {
            return Err(ClusterFileError::UnknownFormat(head.format));
        }
        let file: Self = serde_json::from_slice(json).map_err(unreadable)?;
        let names: BTreeSet<&str> = file.servers.iter().map(|entry| entry.name.as_str()).collect();
        if file.wanted.is_empty() || names.len() != file.servers.len() {
            return Err(ClusterFileError::Servers);
        }
        Ok(file)
    }

    /// The entry of that name, made where there is none.
    pub(super) fn server_mut(&mut self, name: &str) -> &mut ServerEntry {
        let index = match self.servers.iter().position(|entry| entry.name == name) {
            Some(index) => index,
            None => {
                let name = name.to_owned();
                let ports = Ports::default();
                self.servers.push(ServerEntry { name, ports, removing: false });
                self.servers.len() - 1
            }
        };
        &mut self.servers[index]
    }

    /// Every port that is spoken for, but for those of this server.
    pub(super) fn ports_beside(&self, name: &str) -> Vec<u16> {
        let others = self.servers.iter().filter(|entry| entry.name != name);
        let servers = others.flat_map(|entry| entry.ports.all());
        servers.chain([self.resp_port, self.http_port]).collect()
    }
}

/// What else lies in DIR, or has a log in DIR/logs; in lower case, as some file systems take no
/// notice of case.
const OTHER_FILES: [&str; 7] =
    ["lock", "logs", "cluster.json", "cluster.new", "ring.json", "ring.next", "router"];
/// So that the names of its directory and its logs are short enough for any file system.
const MAX_NAME_BYTES: usize = 128;

/// Why a server cannot have this name here: its directory and its log would be something else.
pub(super) fn check_name(name: &str, servers: &[ServerEntry]) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    let mut others = servers.iter().filter(|entry| entry.name != name);
    if OTHER_FILES.contains(&lower.as_str()) {
        Err(format!("{name} is what a file of the cluster is called; choose another name"))
    } else if name.len() > MAX_NAME_BYTES {
        Err(format!("a server's name has at most {MAX_NAME_BYTES} bytes here"))
    } else if let Some(other) = others.find(|entry| entry.name.eq_ignore_ascii_case(name)) {
        Err(format!("{name} differs from {} in case only; choose another name", other.name))
    } else {
        Ok(())
    }
}

/// The names of the first servers of a cluster.
pub(super) fn first_names(count: u16) -> Vec<String> {
    (0..count).map(|index| format!("kv-{index}")).collect()
}

#[cfg(test)]
mod tests {
    use handoff::ClusterId;
    use ring::Placement;

    use super::{ClusterFile, ClusterFileError, Ports, check_name, first_names};
    use crate::options::Durability;

    impl ClusterFile {
        /// A new cluster for tests.
        pub(in crate::local) fn example(servers: u16) -> Self {
            Self {
                format: super::CLUSTER_FORMAT,
                cluster: ClusterId(7),
                resp_port: 6379,
                http_port: 5000,
                durability: Durability::Always,
                placement: Placement::Balanced,
                virtual_nodes: 100,
                max_bytes_per_second: None,
                wanted: first_names(servers),
                servers: vec![],
            }
        }
    }

    fn cluster() -> ClusterFile {
        let mut cluster = ClusterFile::example(2);
        cluster.server_mut("kv-0").ports = Ports { resp: 11, http: 12, peer: 13 };
        cluster.server_mut("kv-1").removing = true;
        cluster
    }

    #[test]
    fn entries_are_made_once() {
        let mut cluster = cluster();
        assert_eq!(cluster.server_mut("kv-0").ports.peer, 13);
        assert_eq!(cluster.servers.len(), 2);
        assert_eq!(cluster.ports_beside("kv-1"), [11, 12, 13, 6379, 5000]);
        assert_eq!(cluster.ports_beside("kv-0"), [0, 0, 0, 6379, 5000]);
    }

    #[test]
    fn a_server_is_called_like_nothing_else_in_the_directory() {
        let servers = cluster().servers;
        for name in ["kv-0", "kv-2", "a", "kv-0.json", &"k".repeat(128)] {
            assert_eq!(check_name(name, &servers), Ok(()));
        }
        for name in ["logs", "LOCK", "ring.json", "Cluster.json", "router", "KV-0"] {
            let error = check_name(name, &servers).expect_err(name);
            assert!(error.contains("choose another name"), "{error}");
        }
        assert!(check_name(&"k".repeat(129), &servers).is_err());
    }

    /// A file of format 1 as it was first written; readers of all later versions read it.
    const FIXTURE: &str = include_str!("../../fixtures/cluster-1.json");

    #[test]
    fn the_fixture_is_read_and_written_the_same() {
        assert_eq!(ClusterFile::from_json(FIXTURE.as_bytes()), Ok(cluster()));
        let json = serde_json::to_string_pretty(&cluster()).expect("serializable");
        assert_eq!(json, FIXTURE.trim_end());
    }

    #[test]
    fn unusable_files_are_told_apart() {
        let unreadable = ClusterFile::from_json(b"{");
        assert!(matches!(unreadable, Err(ClusterFileError::Unreadable(_))), "{unreadable:?}");
        let later = ClusterFile::from_json(br#"{"format": 2, "anything": 1}"#);
        assert_eq!(later, Err(ClusterFileError::UnknownFormat(2)));
        let mut twice = cluster();
        twice.servers[1].name = "kv-0".into();
        let json = serde_json::to_vec(&twice).expect("serializable");
        assert_eq!(ClusterFile::from_json(&json), Err(ClusterFileError::Servers));
    }
}
