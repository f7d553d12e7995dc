//! Pure. What a start of `ringkv local` runs with: its options, and what the directory says.

use handoff::ClusterId;

use super::LocalArgs;
use super::cluster_file::{CLUSTER_FORMAT, ClusterFile, first_names};

pub(super) const DEFAULT_NODES: u16 = 3;
pub(super) const DEFAULT_RESP_PORT: u16 = 6379;
pub(super) const DEFAULT_HTTP_PORT: u16 = 5000;
pub(super) const DEFAULT_VIRTUAL_NODES: u16 = 100;

/// The cluster to run, and what the user should be told about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) cluster: ClusterFile,
    /// Whether the directory held no cluster before.
    pub(super) new: bool,
    pub(super) notes: Vec<String>,
}

/// A new cluster as the options want it, or the stored one. What a ring is made of was fixed when
/// it was made; anything else can be changed at each start.
pub(super) fn resolve(
    args: &LocalArgs,
    stored: Option<ClusterFile>,
    new_id: ClusterId,
) -> Settings {
    match stored {
        None => Settings { cluster: made(args, new_id), new: true, notes: vec![] },
        Some(stored) => kept(args, stored),
    }
}

fn made(args: &LocalArgs, id: ClusterId) -> ClusterFile {
    ClusterFile {
        format: CLUSTER_FORMAT,
        cluster: id,
        resp_port: args.resp_port.unwrap_or(DEFAULT_RESP_PORT),
        http_port: args.http_port.unwrap_or(DEFAULT_HTTP_PORT),
        durability: args.durability.unwrap_or_default(),
        placement: args.placement.unwrap_or_default().into(),
        virtual_nodes: args.virtual_nodes.unwrap_or(DEFAULT_VIRTUAL_NODES),
        max_bytes_per_second: args.max_bytes_per_second,
        wanted: first_names(args.nodes.unwrap_or(DEFAULT_NODES)),
        servers: Vec::new(),
    }
}

fn kept(args: &LocalArgs, stored: ClusterFile) -> Settings {
    let mut notes = Vec::new();
    let servers = stored.wanted.len();
    if let Some(nodes) = args.nodes.filter(|nodes| usize::from(*nodes) != servers) {
        notes.push(format!(
            "this directory holds a cluster of {servers}, which wins over --nodes {nodes}; \
             `ringkv scale {nodes}` changes it"
        ));
    }
    let placement = args.placement.map(ring::Placement::from);
    if placement.is_some_and(|placement| placement != stored.placement)
        || args.virtual_nodes.is_some_and(|tokens| tokens != stored.virtual_nodes)
    {
        notes.push(format!(
            "the ring of this directory was made with {:?} placement and {} virtual nodes, \
             and keeps them",
            stored.placement, stored.virtual_nodes
        ));
    }
    let cluster = ClusterFile {
        resp_port: args.resp_port.unwrap_or(stored.resp_port),
        http_port: args.http_port.unwrap_or(stored.http_port),
        durability: args.durability.unwrap_or(stored.durability),
        max_bytes_per_second: args.max_bytes_per_second.or(stored.max_bytes_per_second),
        ..stored
    };
    Settings { cluster, new: false, notes }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use handoff::ClusterId;

    use super::{Settings, resolve};
    use crate::local::LocalArgs;
    use crate::local::cluster_file::ClusterFile;
    use crate::options::Durability;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LocalArgs,
    }

    fn check(line: &str, stored: Option<ClusterFile>) -> Settings {
        let words = ["local"].into_iter().chain(line.split_whitespace());
        let args = Line::try_parse_from(words).expect("valid options").args;
        resolve(&args, stored, ClusterId(1))
    }

    #[test]
    fn a_new_cluster_has_the_documented_defaults() {
        let settings = check("", None);
        assert!(settings.new && settings.notes.is_empty());
        let cluster = settings.cluster;
        assert_eq!(cluster.wanted, ["kv-0", "kv-1", "kv-2"]);
        assert_eq!((cluster.resp_port, cluster.http_port), (6379, 5000));
        assert_eq!((cluster.durability, cluster.virtual_nodes), (Durability::Always, 100));
    }

    #[test]
    fn a_second_start_keeps_what_the_first_one_made() {
        let made = check("--nodes 5 --resp-port 7000 --durability everysec", None).cluster;
        let again = check("", Some(made.clone()));
        assert_eq!(again, Settings { cluster: made.clone(), new: false, notes: vec![] });
        let same = check("--nodes 5 --placement balanced --virtual-nodes 100", Some(made));
        assert_eq!(same.notes, [""; 0]);
    }

    #[test]
    fn ports_and_durability_change_and_the_ring_does_not() {
        let made = check("--nodes 5", None).cluster;
        let other = "--nodes 2 --http-port 5001 --durability everysec --placement classic";
        let settings = check(other, Some(made));
        assert_eq!(settings.cluster.wanted.len(), 5);
        assert_eq!(settings.cluster.http_port, 5001);
        assert_eq!(settings.cluster.durability, Durability::Everysec);
        assert_eq!(settings.cluster.placement, ring::Placement::Balanced);
        let [nodes, ring] = &settings.notes[..] else { panic!("{:?}", settings.notes) };
        assert!(nodes.contains("`ringkv scale 2`"), "{nodes}");
        assert!(ring.contains("Balanced placement and 100 virtual nodes"), "{ring}");
    }

    #[test]
    fn impossible_options_are_refused() {
        assert!(Line::try_parse_from(["local", "--resp-port", "0"]).is_err());
        assert!(Line::try_parse_from(["local", "--nodes", "0"]).is_err());
    }
}
