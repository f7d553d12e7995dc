//! Shell. `ringkv router`: what clients talk to.

use clap::Args;

use crate::failure::Failure;

/// Run a router of a cluster (started by `ringkv local` and by the operator)
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ringkv router --help")]
pub(crate) struct RouterArgs {}

pub(crate) fn run(args: RouterArgs) -> Result<(), Failure> {
    let _ = args;
    Err(Failure::other("not wired yet"))
}
