//! Shell. `ringkv scale`: changes the number of servers and shows the change to its end.

use std::time::Duration;

use clap::Args;
use rebalance::Change;
use shell::clock::{Clock, SystemClock};

use crate::bars::{Console, ProgressView};
use crate::cluster_api::{self, Scale, WholeStatus};
use crate::cluster_client::{ClusterClient, block_on};
use crate::failure::Failure;
use crate::figures;
use crate::options::{ClusterOptions, server_count};
use crate::reasons::{self, Reasons};

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

Over HTTP, where one can also add and remove single servers:
  curl -X POST localhost:5000/scale -d '{\"servers\": 5}'
  curl -X POST localhost:5000/add-server
  curl -X POST localhost:5000/remove-server -d '{\"name\": \"kv-1\"}'";

const POLL_EVERY: Duration = Duration::from_millis(250);
/// For so long the cluster may not answer.
const ABSENCE_MAX: Duration = Duration::from_secs(20);
/// A change that was accepted has begun within this time.
const REST: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &ScaleArgs) -> Result<(), Failure> {
    block_on(scale(args))
}

async fn scale(args: &ScaleArgs) -> Result<(), Failure> {
    let client = ClusterClient::of(&args.cluster)?;
    let change: Change = client.post("/scale", &Scale { servers: args.servers }).await?;
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

/// Shows the change until the cluster has come to rest.
async fn follow(client: &ClusterClient, wanted: usize) -> Result<(), Failure> {
    let mut view = ProgressView::new(Console::new());
    let mut reasons = Reasons::default();
    let clock = SystemClock::new();
    let (mut resting_since, mut last_answer) = (None, clock.monotonic());
    loop {
        let answer = client.status("/status?count=false").await;
        let now = clock.monotonic();
        let WholeStatus { status, router, .. } = match answer {
            Ok(whole) => whole,
            // A router or coordinator that is started again in the middle is no end.
            Err(_) if now.saturating_sub(last_answer) < ABSENCE_MAX => {
                tokio::time::sleep(POLL_EVERY).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        last_answer = now;
        view.show(&status);
        if !cluster_api::is_at_rest(&status) {
            resting_since = None;
        } else if status.servers.len() == wanted {
            if let Some(text) = router.and_then(|one| figures::write_pause(&one.write_pause)) {
                view.say(&text);
            }
            return Ok(());
        } else if now.saturating_sub(*resting_since.get_or_insert(now)) >= REST {
            return Err(Failure::other(format!(
                "the cluster came to rest with {}, not {wanted}: something else changed it too",
                figures::of(status.servers.len() as u64, "server")
            )));
        }
        for reason in reasons.observe(now, &reasons::of(&status, client.url())) {
            view.say(&reason);
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

fn text(change: &Change) -> String {
    if change.joining.is_empty() && change.leaving.is_empty() {
        let servers = figures::of(change.to.len() as u64, "server");
        return format!("the cluster has {servers}, or is on its way there\n");
    }
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
