//! Shell. `ringkv status`: the servers, what they hold, and what moves.

use clap::Args;
use rebalance::{ServerRole, Status};

use crate::bars::Console;
use crate::cluster_api;
use crate::cluster_client::{ClusterClient, block_on};
use crate::failure::Failure;
use crate::figures;
use crate::options::ClusterOptions;
use crate::progress::Tracker;
use crate::reasons;

/// Show the servers of a running cluster, what they hold, and what moves.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    cluster: ClusterOptions,
    /// Answer JSON: epoch, state, reasons, servers, rebalance, last_rebalance, lost, router
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ringkv status
  ringkv status --url http://localhost:5001
  ringkv status --json | jq '.servers[].keys'";

pub(crate) fn run(args: &StatusArgs) -> Result<(), Failure> {
    let whole = block_on(async { ClusterClient::of(&args.cluster)?.status("/status").await })?;
    if args.json {
        Console::print(&format!("{}\n", cluster_api::to_json(&whole.json)));
        return Ok(());
    }
    let mut text = text(&whole.status, &args.cluster.url);
    if let Some(pauses) = whole.router.and_then(|one| figures::write_pause(&one.write_pause)) {
        text.push_str(&pauses);
        text.push('\n');
    }
    Console::print(&text);
    Ok(())
}

fn text(status: &Status, url: &str) -> String {
    let header = ["server", "address", "role", "ready", "keys", "bytes", "arc share"];
    let rows: Vec<Vec<String>> = status
        .servers
        .iter()
        .map(|server| {
            vec![
                server.name.clone(),
                server.address.clone().unwrap_or_else(|| "-".into()),
                role_name(server.role).into(),
                if server.ready { "yes" } else { "no" }.into(),
                figures::count(server.keys),
                figures::bytes(server.bytes),
                figures::percent(server.arc_share),
            ]
        })
        .collect();
    let keys = status.servers.iter().map(|server| server.keys).sum();
    let mut text = format!(
        "{}\nepoch {}, {}, {}{}\n",
        figures::table(&header, &rows),
        status.epoch,
        figures::of(status.servers.len() as u64, "server"),
        figures::of(keys, "key"),
        if status.rebalance.is_some() { " (an estimate while they move)" } else { "" },
    );
    if let Some(rebalance) = &status.rebalance {
        let tracker = Tracker::new(std::time::Duration::ZERO, rebalance);
        text.push_str(&format!("{}: {}\n", tracker.title(), tracker.text()));
        for pair in tracker.pairs() {
            text.push_str(&format!("  {}  {}\n", pair.title(), pair.text()));
        }
    }
    for reason in reasons::of(status, url) {
        text.push_str(&reasons::line(&reason));
        text.push('\n');
    }
    text
}

/// As in the JSON form.
const fn role_name(role: ServerRole) -> &'static str {
    match role {
        ServerRole::Joining => "joining",
        ServerRole::Member => "member",
        ServerRole::Leaving => "leaving",
        ServerRole::Retired => "retired",
    }
}

#[cfg(test)]
mod tests {
    use handoff::{Incarnation, Server};
    use rebalance::{Lost, PairProgress, Rebalance, ServerRole, ServerStatus, Status};

    use super::text;

    #[test]
    fn the_table_says_what_moves_and_what_is_waited_for() {
        let server = |name: &str, role, keys| ServerStatus {
            name: name.into(),
            address: (role == ServerRole::Member).then(|| "127.0.0.1:7001".into()),
            ready: role == ServerRole::Member,
            role,
            keys,
            bytes: keys * 1_024,
            arc_share: 0.5,
            ..ServerStatus::default()
        };
        let pair = PairProgress {
            source: "kv-0".into(),
            target: "kv-1".into(),
            keys_moved: 10,
            keys_total: 40,
            bytes_moved: 10,
        };
        let rebalance = Rebalance {
            from: 1,
            to: 2,
            pairs: vec![pair],
            keys_moved: 10,
            keys_total: 40,
            bytes_moved: 10,
            ..Rebalance::default()
        };
        let status = Status {
            epoch: 7,
            servers: vec![
                server("kv-0", ServerRole::Member, 1_200),
                server("kv-1", ServerRole::Joining, 0),
            ],
            rebalance: Some(rebalance),
            reasons: vec!["kv-1 does not answer".into()],
            lost: vec![Lost {
                server: Server { name: "kv-2".into(), incarnation: Incarnation(10) },
                share: 0.25,
                arcs: ring::ArcSet::default(),
            }],
            ..Status::default()
        };
        assert_eq!(
            text(&status, "http://localhost:5000"),
            "\
server         address     role  ready   keys    bytes  arc share
kv-0    127.0.0.1:7001   member    yes  1,200  1.2 MiB    50.00 %
kv-1                 -  joining     no      0      0 B    50.00 %

epoch 7, 2 servers, 1,200 keys (an estimate while they move)
rebalance 1 -> 2 servers: 10/40 keys  10 B  handoffs 0/0
  kv-0 -> kv-1  10/40 keys  10 B  done
waiting: kv-1 does not answer
lost: the volume of kv-2 is gone, and 25.00 % of the keys with it; \
bring it back, or accept the loss:
  curl -X POST http://localhost:5000/accept-data-loss \\
    -d '{\"name\":\"kv-2\",\"incarnation\":\"0000000000000000000000000000000a\"}'
"
        );
    }
}
