//! Pure. What `ringkv local` keeps about its cluster in DIR/cluster.json: which servers it wants,
//! where they listen, and the options that they run with.

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
    /// In the order in which they joined; the last is the newest.
    pub(super) servers: Vec<ServerEntry>,
}

/// One server that has, or will have, a process and a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerEntry {
    pub(super) name: String,
    pub(super) ports: Ports,
    pub(super) wish: Wish,
}

/// The ports of a server, all on the loopback address.
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

/// What is wanted of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wish {
    /// To be in the ring.
    Member,
    /// To leave it because fewer are wanted; comes back first when more are wanted again.
    Leaving,
    /// To leave it because it was named.
    LeavingByName,
    /// It has retired: its process is to be stopped and its directory to be deleted.
    Retired,
}

/// A file that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClusterFileError {
    #[error("it is not readable: {0}")]
    Unreadable(String),
    #[error(
        "it has format {0}, this version of ringkv reads format {CLUSTER_FORMAT}: \
         start the version that wrote it"
    )]
    UnknownFormat(u32),
    #[error("it names no server, or one twice")]
    Servers,
}

/// A change that cannot be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChangeError {
    #[error("there is no server {name}; the servers are {}", servers.join(", "))]
    UnknownServer { name: String, servers: Vec<String> },
    #[error("the last server cannot leave: its keys would have nowhere to go; add another first")]
    LastServer,
    #[error("{wanted} servers are asked for, a ring has {} at most", ring::MAX_MEMBERS)]
    TooMany { wanted: usize },
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
        let mut names: Vec<&str> = file.servers.iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || names.len() != file.servers.len() {
            return Err(ClusterFileError::Servers);
        }
        Ok(file)
    }

    /// The names of the servers that are wanted in the ring, the newest last.
    pub(super) fn wanted(&self) -> Vec<String> {
        let wanted = self.servers.iter().filter(|entry| entry.wish == Wish::Member);
        wanted.map(|entry| entry.name.clone()).collect()
    }

    /// The entry of that name.
    pub(super) fn server(&self, name: &str) -> Option<&ServerEntry> {
        self.servers.iter().find(|entry| entry.name == name)
    }

    /// The entry of that name.
    pub(super) fn server_mut(&mut self, name: &str) -> Option<&mut ServerEntry> {
        self.servers.iter_mut().find(|entry| entry.name == name)
    }

    /// Every port that is spoken for.
    pub(super) fn ports(&self) -> Vec<u16> {
        let servers = self.servers.iter().flat_map(|entry| entry.ports.all());
        servers.chain([self.resp_port, self.http_port]).collect()
    }

    /// Wants so many servers more and answers their names. Servers that are leaving only because
    /// fewer were wanted come back first: what they still hold need not move. New names follow
    /// the highest present one.
    pub(super) fn add(&mut self, count: usize) -> Result<Vec<String>, ChangeError> {
        let wanted = self.wanted().len().saturating_add(count);
        if wanted > ring::MAX_MEMBERS {
            return Err(ChangeError::TooMany { wanted });
        }
        let mut names = Vec::with_capacity(count);
        let leaving = self.servers.iter_mut().filter(|entry| entry.wish == Wish::Leaving);
        for entry in leaving.take(count) {
            entry.wish = Wish::Member;
            names.push(entry.name.clone());
        }
        while names.len() < count {
            let name = self.next_name();
            names.push(name.clone());
            self.servers.push(ServerEntry { name, ports: Ports::default(), wish: Wish::Member });
        }
        Ok(names)
    }

    /// Wants this server to leave. One that is leaving already stays on its way.
    pub(super) fn remove_named(&mut self, name: &str) -> Result<(), ChangeError> {
        let servers = self.wanted();
        let last = servers.len() == 1;
        let entry = self.servers.iter_mut().find(|entry| entry.name == name);
        match entry {
            Some(entry) if entry.wish == Wish::Member => {
                if last {
                    return Err(ChangeError::LastServer);
                }
                entry.wish = Wish::LeavingByName;
            }
            Some(entry) if entry.wish == Wish::Leaving => entry.wish = Wish::LeavingByName,
            Some(entry) if entry.wish == Wish::LeavingByName => {}
            _ => return Err(ChangeError::UnknownServer { name: name.into(), servers }),
        }
        Ok(())
    }

    /// Wants so many of the newest servers to leave and answers their names.
    pub(super) fn remove_newest(&mut self, count: usize) -> Result<Vec<String>, ChangeError> {
        let wanted = self.wanted();
        let Some(kept) = wanted.len().checked_sub(count).filter(|kept| *kept > 0) else {
            return Err(ChangeError::LastServer);
        };
        let names: Vec<String> = wanted.into_iter().skip(kept).rev().collect();
        for entry in &mut self.servers {
            if names.contains(&entry.name) {
                entry.wish = Wish::Leaving;
            }
        }
        Ok(names)
    }

    /// `kv-<n>`, n one above the highest present one.
    fn next_name(&self) -> String {
        let index = |entry: &ServerEntry| entry.name.strip_prefix("kv-")?.parse::<u64>().ok();
        let next = self.servers.iter().filter_map(index).max().map_or(0, |highest| highest + 1);
        format!("kv-{next}")
    }
}

#[cfg(test)]
mod tests;
