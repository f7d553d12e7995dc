//! Shell. `ringkv node`: one server of a ring.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use handoff::ClusterId;
use kubernetes::ClusterName;
use kvnode::store::StoreConfig;
use kvnode::{Access, Addresses, Config, RingSource};

use crate::failure::Failure;
use crate::options::{AccessOptions, Durability, ProcessOptions};

/// Run one server of a ring.
///
/// `ringkv local` and the operator start it. It serves as soon as it has read the
/// ring document and found itself to be a member.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct NodeArgs {
    /// Its name in the ring, such as kv-1
    #[arg(long)]
    name: String,
    /// The cluster that it belongs to: 32 hexadecimal digits
    #[arg(long, value_name = "ID")]
    cluster: ClusterId,
    /// Where it keeps everything; a directory of another server or cluster is refused
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where routers and Redis clients connect
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:6400")]
    resp: SocketAddr,
    /// Where health, metrics and administration are served
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:6401")]
    http: SocketAddr,
    /// Where other servers connect to hand over data
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:6402")]
    peer: SocketAddr,
    /// Where the ring document is read
    #[arg(long, value_name = "URL", required_unless_present = "kubernetes")]
    coordinator: Option<String>,
    /// The KvCluster in whose status the ring document is read
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "coordinator")]
    kubernetes: Option<ClusterName>,
    /// When a write is answered
    #[arg(long, value_enum, default_value_t)]
    durability: Durability,
    /// The longest value
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    max_value_bytes: usize,
    /// Connections at a time; one more is told so and disconnected
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_clients: usize,
    /// Memory for blocks read from disk
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    cache_bytes: u64,
    /// Free space below which writes that grow the data are refused
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    disk_reserve_bytes: u64,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    process: ProcessOptions,
}

const EXAMPLES: &str = "\
Examples:
  ringkv node --name kv-0 --cluster 0123456789abcdef0123456789abcdef --data /var/lib/kv-0 \\
      --coordinator http://127.0.0.1:31000
  ringkv node --name demo-0 --cluster 0123456789abcdef0123456789abcdef --data /data \\
      --resp 0.0.0.0:6400 --http 0.0.0.0:6401 --peer 0.0.0.0:6402 --kubernetes default/demo \\
      --token-file /etc/ringkv/token";

pub(crate) fn run(args: NodeArgs) -> Result<(), Failure> {
    shell::telemetry::init("node", shell::telemetry::DEFAULT_FILTER).map_err(Failure::usage)?;
    let (token, password) = args.access.read()?;
    if password.is_some() && token.is_none() {
        let text = "--password-file keeps routers out, too, unless they show a token: give servers \
                    and routers the same --token-file";
        return Err(Failure::usage(text));
    }
    let config = Config { access: Access { token, password }, ..config(args) };
    kvnode::run(&config).map_err(|error| Failure::with_code(error.exit_code(), error.into()))
}

fn config(args: NodeArgs) -> Config {
    let addresses = Addresses {
        resp: args.resp,
        http: args.http,
        peer: args.peer,
        ring_source: match args.kubernetes {
            Some(cluster) => RingSource::Kubernetes(cluster),
            None => RingSource::Coordinator(args.coordinator.unwrap_or_default()),
        },
    };
    let defaults = Config::new(args.name, args.cluster, args.data, addresses);
    Config {
        exit_with_stdin: args.process.exit_with_stdin,
        store: StoreConfig {
            cache_bytes: args.cache_bytes,
            disk_reserve_bytes: args.disk_reserve_bytes,
            ..StoreConfig::small(args.durability.into())
        },
        value_bytes_max: args.max_value_bytes,
        clients_max: args.max_clients,
        ..defaults
    }
}
