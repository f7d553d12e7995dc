//! Shell. `ringkv status`: the servers, what they hold, and what moves.

use clap::Args;

use crate::bars::Console;
use crate::cluster_api::{self, Status};
use crate::cluster_client::{ClusterClient, block_on};
use crate::failure::Failure;
use crate::figures;
use crate::options::ClusterOptions;
use crate::progress::Tracker;

/// Show the servers of a running cluster, what they hold, and what moves.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    cluster: ClusterOptions,
    /// Answer JSON: epoch, servers, rebalance, last_rebalance, problems
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ringkv status
  ringkv status --url http://localhost:5001
  ringkv status --json | jq '.servers[].keys'";

pub(crate) fn run(args: &StatusArgs) -> Result<(), Failure> {
    let status: Status =
        block_on(async { ClusterClient::new(&args.cluster.url)?.get("/status").await })?;
    if args.json {
        Console::print(&format!("{}\n", cluster_api::to_json(&status)));
    } else {
        Console::print(&text(&status));
    }
    Ok(())
}

fn text(status: &Status) -> String {
    let header = ["server", "address", "ready", "keys", "bytes", "arc share"];
    let rows: Vec<Vec<String>> = status
        .servers
        .iter()
        .map(|server| {
            vec![
                server.name.clone(),
                server.address.clone(),
                if server.ready { "yes" } else { "no" }.into(),
                figures::count(server.keys),
                figures::bytes(server.bytes),
                figures::percent(server.arc_share),
            ]
        })
        .collect();
    let keys = status.servers.iter().map(|server| server.keys).sum();
    let mut text = format!(
        "{}\nepoch {}, {}, {}\n",
        figures::table(&header, &rows),
        status.epoch,
        figures::of(status.servers.len() as u64, "server"),
        figures::of(keys, "key"),
    );
    if let Some(rebalance) = &status.rebalance {
        let tracker = Tracker::new(std::time::Duration::ZERO, rebalance);
        text.push_str(&format!("{}: {}\n", tracker.title(), tracker.text()));
        for (_, handoff) in tracker.handoffs() {
            text.push_str(&format!("  {}  {}\n", handoff.title(), handoff.text()));
        }
    }
    for problem in &status.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::cluster_api::{HandoffProgress, Rebalance, ServerStatus, Status};

    #[test]
    fn the_table_says_what_moves_and_what_is_wrong() {
        let server = |name: &str, keys, ready| ServerStatus {
            name: name.into(),
            address: "127.0.0.1:7001".into(),
            ready,
            keys,
            bytes: keys * 1_024,
            arc_share: 0.5,
        };
        let handoff = HandoffProgress {
            id: "a".into(),
            source: "kv-0".into(),
            target: "kv-1".into(),
            state: "copying".into(),
            keys_moved: 10,
            keys_total: 40,
            bytes_moved: 10,
            bytes_total: 40,
        };
        let status = Status {
            epoch: 7,
            servers: vec![server("kv-0", 1_200, true), server("kv-1", 0, false)],
            rebalance: Some(Rebalance { from: 1, to: 2, handoffs: vec![handoff] }),
            last_rebalance: None,
            problems: vec!["kv-1 does not answer".into()],
        };
        assert_eq!(
            text(&status),
            "\
server         address  ready   keys    bytes  arc share
kv-0    127.0.0.1:7001    yes  1,200  1.2 MiB    50.00 %
kv-1    127.0.0.1:7001     no      0      0 B    50.00 %

epoch 7, 2 servers, 1,200 keys
rebalance 1 -> 2 servers: 10/40 keys  10 B  handoffs 0/1  0 B/s
  kv-0 -> kv-1  10/40 keys  10 B  copying  0 B/s
problem: kv-1 does not answer
"
        );
    }
}
