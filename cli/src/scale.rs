//! Shell. `ringkv scale`: changes the number of servers and shows the change to its end.

use std::cmp::Ordering;
use std::time::Duration;

use clap::Args;
use rebalance::{Change, Status};
use shell::clock::{Clock, SystemClock};

use crate::bars::{Console, ProgressView};
use crate::cluster_api::{self, AddServers, RemoveServers};
use crate::cluster_client::{ClusterClient, block_on};
use crate::failure::Failure;
use crate::figures;
use crate::options::{ClusterOptions, server_count};
use crate::reasons::Reasons;

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
    /// Answer the accepted change as JSON: from, to, joining, leaving
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
/// A change that was accepted has begun within this time.
const REST: Duration = Duration::from_secs(3);

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
        Console::print(&text(change.as_ref(), args.servers));
    }
    if args.no_wait {
        return Ok(());
    }
    follow(&client, usize::from(args.servers)).await
}

/// Asks for as many servers more, or less, as are missing. `None` where none is.
async fn ask(
    client: &ClusterClient,
    status: &Status,
    wanted: u16,
) -> Result<Option<Change>, Failure> {
    let (wanted, wanted_now) = (usize::from(wanted), cluster_api::wanted(status));
    let difference = u16::try_from(wanted.abs_diff(wanted_now)).unwrap_or(u16::MAX);
    let count = Some(difference);
    match wanted.cmp(&wanted_now) {
        Ordering::Greater => {
            client.post("/add-server", &AddServers { name: None, count }).await.map(Some)
        }
        Ordering::Less => {
            client.post("/remove-server", &RemoveServers { name: None, count }).await.map(Some)
        }
        Ordering::Equal => Ok(None),
    }
}

/// Shows the change until the cluster has come to rest.
async fn follow(client: &ClusterClient, wanted: usize) -> Result<(), Failure> {
    let mut view = ProgressView::new(Console::new());
    let mut reasons = Reasons::default();
    let clock = SystemClock::new();
    let mut resting_since = None;
    loop {
        let status: Status = client.get("/status?count=false").await?;
        view.show(&status);
        let now = clock.monotonic();
        if !cluster_api::is_at_rest(&status) {
            resting_since = None;
        } else if status.servers.len() == wanted {
            return Ok(());
        } else if now.saturating_sub(*resting_since.get_or_insert(now)) >= REST {
            return Err(Failure::other(format!(
                "the cluster came to rest with {}, not {wanted}: something else changed it too",
                figures::of(status.servers.len() as u64, "server")
            )));
        }
        for reason in reasons.observe(now, &status.reasons) {
            view.say(&reason);
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

fn text(change: Option<&Change>, wanted: u16) -> String {
    let Some(change) = change else {
        let servers = figures::of(wanted.into(), "server");
        return format!("the cluster has {servers}, or is on its way there\n");
    };
    let to = figures::of(change.to.len() as u64, "server");
    let mut text = format!("from {} to {to}", change.from.len());
    for (verb, names) in [("adding", &change.joining), ("removing", &change.leaving)] {
        if !names.is_empty() {
            text.push_str(&format!(", {verb} {}", names.join(", ")));
        }
    }
    text.push('\n');
    text
}
