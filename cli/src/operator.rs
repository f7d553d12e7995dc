//! Shell. `ringkv operator`: brings KvCluster resources to their specification.

use std::net::SocketAddr;

use ::operator::Config;
use clap::Args;

use crate::failure::Failure;

/// Run the operator: it brings every KvCluster to its specification.
///
/// The Helm chart charts/ringkv starts it. Several may run; one of them acts, the others wait for
/// its lease.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OperatorArgs {
    /// The image of servers and routers whose KvCluster names none
    #[arg(long)]
    image: String,
    /// Care only for clusters in this namespace; may be given several times [default: all]
    #[arg(long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,
    /// Where health and metrics are served
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// A name of its own among the operators [env: POD_NAME, else `ringkv-operator`]
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// The namespace of its lease [env: POD_NAMESPACE, else `default`]
    #[arg(long, value_name = "NAME")]
    own_namespace: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  ringkv operator --image ghcr.io/ringkv/ringkv:0.1.0
  ringkv operator --image ringkv:dev --namespace team-a --namespace team-b --http 0.0.0.0:8080

Outside of Kubernetes it takes the cluster that KUBECONFIG names, and must reach its pods.";

/// What is logged where `RUST_LOG` says nothing.
const LOG_FILTER: &str =
    "info,kube_client=warn,kube_runtime=warn,kube_lease_manager=warn,hyper=warn";

pub(crate) fn run(args: OperatorArgs) -> Result<(), Failure> {
    shell::telemetry::init("operator", LOG_FILTER).map_err(Failure::usage)?;
    let given = |option: Option<String>, variable, otherwise: &str| {
        let from_pod = || std::env::var(variable).ok().filter(|value| !value.is_empty());
        option.or_else(from_pod).unwrap_or_else(|| otherwise.to_owned())
    };
    let config = Config {
        image: args.image,
        namespaces: args.namespaces,
        http_address: args.http,
        identity: given(args.identity, "POD_NAME", "ringkv-operator"),
        own_namespace: given(args.own_namespace, "POD_NAMESPACE", "default"),
    };
    ::operator::run(config).map_err(Failure::of_process)
}
