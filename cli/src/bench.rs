//! Shell. `ringkv bench`: puts a server under load, measures it, and draws what was measured.

mod chart;
mod cluster;
mod measure;
mod options;
mod report;
mod view;
mod watch;

use clap::{Args, Subcommand};
use shell::signal::Shutdown;

use self::chart::PlotArgs;
use self::options::RunArgs;
use crate::cluster_client::block_on;
use crate::failure::Failure;

/// Measure how fast a cluster, a server, or any other RESP server answers.
///
/// Clients send requests and time the answers: in a closed loop each sends when its last batch is
/// answered, and latency counts from the sending; with --rate they send at that pace whether or
/// not answers come, and latency counts from when a request was meant to be sent, so that what
/// waits behind a stall counts, too.
///
/// With --verify wrong answers are found, shown, and end it with exit code 1.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    Plot(PlotArgs),
}

const EXAMPLES: &str = "\
Examples:
  ringkv bench                                         100,000 requests, half of them writes
  ringkv bench --mix get=70,set=25,incr=5 --seconds 30 --verify
  ringkv bench --rate 20000 --seconds 30               an open loop, for honest latencies
  ringkv bench --sweep clients=1,2,5,10,50,200 --repeat 3 --csv clients.csv
  ringkv bench --sweep servers=1,3,5,7 --requests 50000 --csv servers.csv
  ringkv bench plot servers.csv -o servers.png
  ringkv bench --seconds 60 --timeline time.csv --watch-rebalance http://localhost:5000
  ringkv bench plot time.csv -o time.svg";

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(BenchCommand::Plot(args)) = &args.command {
        return chart::run(args);
    }
    block_on(async {
        let mut shutdown = Shutdown::listen(false)
            .map_err(|error| Failure::other(format!("cannot hear signals: {error}")))?;
        tokio::select! {
            result = measure::all(&args.run) => result,
            _ = shutdown.asked() => Err(Failure::other("interrupted")),
        }
    })
}
