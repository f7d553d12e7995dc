//! Shell. `ringkv ring`: how evenly a ring shares its points and keys.

use clap::Args;
use rebalance::Status;
use ring::{Distribution, Ring, RingDocument};

use crate::bars::Console;
use crate::cluster_api;
use crate::cluster_client::{ClusterClient, block_on};
use crate::failure::Failure;
use crate::figures;
use crate::options::{ClusterOptions, Placement, server_count, virtual_nodes};

/// Show how a ring shares its points and keys among servers.
///
/// With --nodes it computes a ring of its own and needs no cluster; without, it asks the cluster.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RingArgs {
    #[command(flatten)]
    cluster: ClusterOptions,
    /// Compute a ring of this many servers, named kv-0, kv-1, …
    #[arg(long, value_name = "N", value_parser = server_count())]
    nodes: Option<u16>,
    /// How many keys (key-0, key-1, …) to place on the computed ring
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "nodes")]
    keys: u64,
    /// How the tokens of the computed ring are chosen
    #[arg(long, value_enum, default_value_t, requires = "nodes")]
    placement: Placement,
    /// Tokens of each server of the computed ring
    #[arg(long, value_name = "N", default_value_t = 100, requires = "nodes")]
    #[arg(value_parser = virtual_nodes())]
    virtual_nodes: u16,
    /// Answer JSON: servers [name, arc_share, keys], max_over_mean, keys_max_over_mean
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ringkv ring                                      the ring of the running cluster
  ringkv ring --nodes 5 --keys 10000               a computed one
  ringkv ring --nodes 5 --placement classic --json the same with plain MD5 tokens, for a script";

pub(crate) fn run(args: &RingArgs) -> Result<(), Failure> {
    let distribution = match args.nodes {
        Some(nodes) => {
            let ring = computed(nodes, args.placement.into(), args.virtual_nodes)?;
            Distribution::of(&ring, args.keys)
        }
        None => block_on(async {
            let status: Status = ClusterClient::of(&args.cluster)?.get("/status").await?;
            Ok(cluster_api::distribution(&status))
        })?,
    };
    if args.json {
        Console::print(&format!("{}\n", cluster_api::to_json(&distribution)));
    } else {
        Console::print(&text(&distribution));
    }
    Ok(())
}

/// The ring that a cluster of so many servers has if it is made at once.
fn computed(nodes: u16, placement: ring::Placement, virtual_nodes: u16) -> Result<Ring, Failure> {
    let names: Vec<String> = (0..nodes).map(|index| format!("kv-{index}")).collect();
    let any_identity = "0".repeat(32);
    let members = names.iter().map(|name| (name.as_str(), any_identity.as_str()));
    let document = RingDocument::bootstrap(&any_identity, placement, virtual_nodes, members);
    document.and_then(|document| Ring::from_document(&document)).map_err(Failure::usage)
}

fn text(distribution: &Distribution) -> String {
    let rows: Vec<Vec<String>> = distribution
        .servers
        .iter()
        .map(|server| {
            vec![
                server.name.clone(),
                figures::percent(server.arc_share),
                figures::count(server.keys),
            ]
        })
        .collect();
    format!(
        "{}\nmax/mean  {:.4} of the ring, {:.4} of the keys\n",
        figures::table(&["server", "arc share", "keys"], &rows),
        distribution.max_over_mean,
        distribution.keys_max_over_mean,
    )
}
