//! Shell. `ringkv scale`: changes the number of servers and shows the change to its end.

use std::time::Duration;

use clap::Args;

use crate::bars::{Console, ProgressView};
use crate::cluster_api::{self, AddServers, Change, RemoveServers, Status};
use crate::cluster_client::{ClusterClient, block_on};
use crate::failure::Failure;
use crate::figures;
use crate::options::{ClusterOptions, server_count};

/// Grow or shrink a running cluster to N servers, while it serves.
///
/// The newest servers leave first. The cluster goes on with the change when this command is
/// stopped; another `ringkv scale` while it runs sends it to the new number.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScaleArgs {
    #[command(flatten)]
    cluster: ClusterOptions,
    /// How many servers the ring shall have
    #[arg(value_name = "N", value_parser = server_count())]
    servers: u16,
    /// Return as soon as the change is accepted
    #[arg(long)]
    no_wait: bool,
    /// Answer the accepted change as JSON: added, removed, from, to, servers
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ringkv scale 5
  ringkv scale 3 --no-wait && ringkv status
  curl -X POST localhost:5000/add-server           the same over HTTP, one at a time
  curl -X POST localhost:5000/remove-server -d '{\"name\": \"kv-1\"}'";

const POLL_EVERY: Duration = Duration::from_millis(250);

pub(crate) fn run(args: &ScaleArgs) -> Result<(), Failure> {
    block_on(scale(args))
}

async fn scale(args: &ScaleArgs) -> Result<(), Failure> {
    let client = ClusterClient::new(&args.cluster.url)?;
    let status: Status = client.get("/status").await?;
    let change = ask(&client, &status, args.servers).await?;
    if args.json {
        Console::print(&format!("{}\n", cluster_api::to_json(&change)));
    } else {
        Console::print(&text(&change));
    }
    if args.no_wait {
        return Ok(());
    }
    follow(&client, usize::from(args.servers)).await
}

/// Asks for as many servers more, or less, as are missing from what the cluster is heading for.
async fn ask(client: &ClusterClient, status: &Status, wanted: u16) -> Result<Change, Failure> {
    let heading_for = status.heading_for();
    let difference = |a: usize, b: usize| u16::try_from(a - b).unwrap_or(u16::MAX);
    let wanted = usize::from(wanted);
    if wanted > heading_for {
        let count = Some(difference(wanted, heading_for));
        client.post("/add-server", &AddServers { count }).await
    } else if wanted < heading_for {
        let count = Some(difference(heading_for, wanted));
        client.post("/remove-server", &RemoveServers { name: None, count }).await
    } else {
        Ok(Change { from: wanted, to: wanted, ..Change::default() })
    }
}

/// Shows the change until the cluster has come to rest.
async fn follow(client: &ClusterClient, wanted: usize) -> Result<(), Failure> {
    let mut view = ProgressView::new(Console::new());
    let mut told = Vec::new();
    loop {
        let status: Status = client.get("/status").await?;
        view.show(&status);
        if status.rebalance.is_none() {
            return if status.servers.len() == wanted {
                Ok(())
            } else {
                Err(Failure::other(format!(
                    "the cluster came to rest with {}, not {wanted}: something else changed it too",
                    figures::of(status.servers.len() as u64, "server")
                )))
            };
        }
        if status.problems != told {
            for problem in &status.problems {
                view.say(&format!("waiting: {problem}"));
            }
            told = status.problems;
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

fn text(change: &Change) -> String {
    if change.from == change.to && change.added.is_empty() && change.removed.is_empty() {
        return format!(
            "the cluster has, or is on its way to, {} already\n",
            figures::of(change.to as u64, "server")
        );
    }
    let mut text = format!("from {} to {}", change.from, figures::of(change.to as u64, "server"));
    for (verb, names) in [("adding", &change.added), ("removing", &change.removed)] {
        if !names.is_empty() {
            text.push_str(&format!(", {verb} {}", names.join(", ")));
        }
    }
    text.push('\n');
    text
}
