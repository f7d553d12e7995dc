//! Shell. `ringkv router`: what clients talk to.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use kubernetes::ClusterName;
use router::{Access, Config, Source};

use crate::failure::Failure;
use crate::options::{AccessOptions, ProcessOptions};

/// Run a router of a cluster: what Redis and HTTP clients connect to.
///
/// `ringkv local` and the operator start it. It keeps no state; any number may run.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RouterArgs {
    /// Where Redis clients connect
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:6379")]
    resp: SocketAddr,
    /// Where HTTP clients connect
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5000")]
    http: SocketAddr,
    /// Where the ring and the addresses of the servers come from, and administration goes to
    #[arg(long, value_name = "URL", required_unless_present = "kubernetes")]
    coordinator: Option<String>,
    /// The KvCluster whose ring and servers are followed by watches
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "coordinator")]
    kubernetes: Option<ClusterName>,
    /// Data threads, each with its own connection to every server [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Redis clients at a time; one more is told so and disconnected
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_clients: usize,
    /// The longest value; servers have a bound of their own
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    max_value_bytes: usize,
    /// How long to wait for a connection to a server, or for its next answer
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    server_wait_ms: u64,
    /// How long a command may wait for a part of the ring that is changing hands
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    refusal_wait_ms: u64,
    /// How long new clients are still taken after SIGTERM, while /readyz says that it is leaving; a
    /// second SIGTERM ends that
    #[arg(long, value_name = "MS", default_value_t = 0)]
    drain_delay_ms: u64,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    process: ProcessOptions,
}

const EXAMPLES: &str = "\
Examples:
  ringkv router --coordinator http://127.0.0.1:31000
  ringkv router --resp 0.0.0.0:6379 --http 0.0.0.0:5000 --coordinator http://ringkv:8080
  ringkv router --resp 0.0.0.0:6379 --http 0.0.0.0:5000 --kubernetes default/demo \\
      --token-file /etc/ringkv/token --password-file /etc/ringkv/password \\
      --drain-delay-ms 5000";

pub(crate) fn run(args: RouterArgs) -> Result<(), Failure> {
    let source = match args.kubernetes {
        Some(cluster) => Source::Kubernetes { cluster, api_server: None },
        None => Source::Coordinator(args.coordinator.unwrap_or_default()),
    };
    let defaults = Config::new(args.resp, args.http, source);
    let (token, password) = args.access.read()?;
    let config = Config {
        access: Access { token, password },
        drain_delay: Duration::from_millis(args.drain_delay_ms),
        threads: args.threads.map_or(defaults.threads, usize::from),
        clients_max: args.max_clients,
        value_bytes_max: args.max_value_bytes,
        server_wait: Duration::from_millis(args.server_wait_ms),
        refusal_wait: Duration::from_millis(args.refusal_wait_ms),
        ..defaults
    };
    shell::telemetry::init("router", shell::telemetry::DEFAULT_FILTER).map_err(Failure::usage)?;
    router::run(config, args.process.exit_with_stdin).map_err(Failure::of_process)
}
