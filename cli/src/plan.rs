//! Shell. `ringkv plan`: what a change of size would move, before anything moves.

use clap::Args;
use rebalance::Preview;

use crate::bars::Console;
use crate::cluster_api;
use crate::cluster_client::{ClusterClient, block_on};
use crate::failure::Failure;
use crate::figures;
use crate::options::{ClusterOptions, server_count};

/// Show what a change to N servers would move, without moving anything.
///
/// Names each pair of servers with the keys and bytes that would go from one to the other, and
/// whatever would keep the change from starting.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    cluster: ClusterOptions,
    /// How many servers the ring would have
    #[arg(long, value_name = "N", value_parser = server_count())]
    replicas: u16,
    /// Answer JSON: from, to, joining, leaving, moves, keys, bytes, refused
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ringkv plan --replicas 5
  ringkv plan --replicas 2 --json | jq .keys";

pub(crate) fn run(args: &PlanArgs) -> Result<(), Failure> {
    let path = format!("/plan?replicas={}", args.replicas);
    let plan: Preview = block_on(async { ClusterClient::of(&args.cluster)?.get(&path).await })?;
    if args.json {
        Console::print(&format!("{}\n", cluster_api::to_json(&plan)));
    } else {
        Console::print(&text(&plan));
    }
    Ok(())
}

fn text(plan: &Preview) -> String {
    let mut text = format!("from {} to {}", plan.from, figures::of(plan.to as u64, "server"));
    for (verb, names) in [("add", &plan.joining), ("remove", &plan.leaving)] {
        if !names.is_empty() {
            text.push_str(&format!(", {verb} {}", names.join(", ")));
        }
    }
    text.push('\n');
    if plan.moves.is_empty() {
        text.push_str("nothing would move\n");
    } else {
        let rows: Vec<Vec<String>> = plan
            .moves
            .iter()
            .map(|pair| {
                vec![
                    format!("{} -> {}", pair.source, pair.target),
                    figures::percent(pair.arc_share),
                    figures::count(pair.keys),
                    figures::bytes(pair.bytes),
                ]
            })
            .collect();
        let header = ["move", "arc share", "keys", "bytes"];
        text.push_str(&format!("\n{}\n", figures::table(&header, &rows)));
        text.push_str(&format!(
            "in all {}, {}\n",
            figures::of(plan.keys, "key"),
            figures::bytes(plan.bytes),
        ));
    }
    for refusal in &plan.refused {
        text.push_str(&format!("would not start: {refusal}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use rebalance::{Preview, PreviewMove};

    use super::text;

    #[test]
    fn the_plan_names_pairs_sums_and_refusals() {
        let pair = |source: &str, keys| PreviewMove {
            source: source.into(),
            target: "kv-2".into(),
            arc_share: 1.0 / 6.0,
            keys,
            bytes: keys * 100,
        };
        let plan = Preview {
            from: 2,
            to: 3,
            joining: vec!["kv-2".into()],
            leaving: vec![],
            moves: vec![pair("kv-0", 1_000), pair("kv-1", 24)],
            keys: 1_024,
            bytes: 102_400,
            refused: vec!["kv-1 does not answer".into()],
        };
        assert_eq!(
            text(&plan),
            "\
from 2 to 3 servers, add kv-2

move          arc share   keys     bytes
kv-0 -> kv-2    16.67 %  1,000  97.7 KiB
kv-1 -> kv-2    16.67 %     24   2.3 KiB

in all 1,024 keys, 100.0 KiB
would not start: kv-1 does not answer
"
        );
        let idle = Preview { from: 3, to: 3, ..Preview::default() };
        assert_eq!(text(&idle), "from 3 to 3 servers\nnothing would move\n");
    }
}
