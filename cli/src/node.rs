//! Shell. `ringkv node`: one server of a ring.

use clap::Args;

use crate::failure::Failure;

/// Run one server of a ring (started by `ringkv local` and by the operator)
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ringkv node --help")]
pub(crate) struct NodeArgs {}

pub(crate) fn run(args: NodeArgs) -> Result<(), Failure> {
    let _ = args;
    Err(Failure::other("not wired yet"))
}
