//! Shell. `ringkv local`: a whole cluster on one machine, each server a process of its own.

mod backoff;
mod cluster_file;
mod data_dir;
mod fleet;
mod http;
mod keeper;
mod log_file;
mod ports;
mod ready;
mod scheduling;
mod settings;
mod supervisor;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use handoff::ClusterId;
use shell::rng::{OsRng, Rng};

use self::data_dir::DataDir;
use self::ports::PublicPort;
pub(crate) use self::ports::free_ports;
use self::settings::Settings;
use crate::bars::Console;
use crate::cluster_client::block_on;
use crate::failure::Failure;
use crate::options::{Durability, Placement, virtual_nodes};

/// Start a cluster on this machine: servers, a router, and what moves data between them.
///
/// All it keeps is in one directory. Started again on the same directory it is the same cluster
/// with the same data. Every server is a process of its own and is started again when it dies.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LocalArgs {
    /// How many servers a new cluster begins with [default: 3]
    #[arg(long, value_name = "N", value_parser = servers_here())]
    nodes: Option<u16>,
    /// Where the cluster keeps everything
    #[arg(long, value_name = "DIR", default_value = "./ringkv-data")]
    data: PathBuf,
    /// Where Redis clients connect [default: 6379, or as at the last start]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    resp_port: Option<u16>,
    /// Where HTTP clients connect [default: 5000, or as at the last start]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    http_port: Option<u16>,
    /// The address of both ports. A local cluster asks for no password: open it to trusted networks
    /// only
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// When a write is answered [default: always, or as at the last start]
    #[arg(long, value_enum)]
    durability: Option<Durability>,
    /// How the tokens of a server are chosen; fixed when the cluster is made [default: balanced]
    #[arg(long, value_enum)]
    placement: Option<Placement>,
    /// Tokens of each server; fixed when the cluster is made [default: 100]
    #[arg(long, value_name = "N", value_parser = virtual_nodes())]
    virtual_nodes: Option<u16>,
    /// The most that one server streams to others in a second, in bytes [default: all it can, but
    /// with rests while it serves clients]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1_024..))]
    max_bytes_per_second: Option<u64>,
    /// The address by which servers, router and coordinator reach each other, where a proxy passes
    /// its ports on to 127.0.0.1. For tests of broken networks
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), hide = true)]
    reached_at: IpAddr,
}

const EXAMPLES: &str = "\
Examples:
  ringkv local                                     three servers, data in ./ringkv-data
  ringkv local --nodes 5 --data /var/lib/ringkv
  ringkv local --resp-port 7379 --http-port 7500   beside a Redis, or another cluster
  ringkv local --durability everysec               faster writes; a power cut costs up to a second

While it runs:
  redis-cli -p 6379 set greeting hello
  ringkv scale 5, or: curl -X POST localhost:5000/add-server
  ringkv status

Ctrl-C stops it cleanly. RUST_LOG=info (or debug) says more.";

/// The most servers on one machine: each is a process that works in the background too.
const SERVERS_MAX: usize = 64;

fn servers_here() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=SERVERS_MAX as i64)
}

/// What lasts of the coordinator's trouble is told as a reason for waiting, in words for users.
const LOG_FILTER: &str = "warn,rebalance=error";
/// How long to wait for the last processes of an earlier run, which end by themselves.
const LEFTOVERS_WAIT: Duration = Duration::from_secs(12);

pub(crate) fn run(args: &LocalArgs) -> Result<(), Failure> {
    let console = Console::new();
    let log_console = console.clone();
    shell::telemetry::init_to("local", LOG_FILTER, console.is_terminal(), move || {
        log_console.clone()
    })
    .map_err(Failure::usage)?;

    let data = DataDir::open(&args.data)?;
    let new_id = ClusterId(OsRng.next_u128());
    let Settings { cluster, new, notes } = settings::resolve(args, data.load()?, new_id);
    for note in notes {
        console.say(&format!("note: {note}"));
    }
    let (resp, http) = (cluster.resp_port, cluster.http_port);
    if resp == http {
        return Err(Failure::usage("--resp-port and --http-port must differ"));
    }
    let wait = if new { Duration::ZERO } else { LEFTOVERS_WAIT };
    let resp = PublicPort {
        address: SocketAddr::new(args.bind, resp),
        option: "--resp-port",
        usual_owner: "a Redis server",
    };
    let http = PublicPort {
        address: SocketAddr::new(args.bind, http),
        option: "--http-port",
        usual_owner: "another program (on macOS: AirPlay)",
    };
    resp.demand(wait, &console)?;
    http.demand(wait, &console)?;
    let servers = cluster.servers.iter().flat_map(|entry| entry.ports.all());
    ports::settle(&servers.collect::<Vec<u16>>(), wait);
    data.store(&cluster).map_err(Failure::storage)?;

    scheduling::take_turns();
    block_on(supervisor::run(data, cluster, http.address, args.reached_at, console))
}
