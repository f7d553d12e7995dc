//! Shell. A router inside a simulation: all of it on the one thread of the simulation.

use tokio::task::spawn_local;

use crate::Config;
use crate::app::{Parts, assemble};

/// Runs a router until it is dropped, as in a crash. Must be inside a `LocalSet`.
///
/// # Errors
/// It could not start, or a part of it ended by itself.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let Parts { drain, data, control, .. } = assemble(config)?;
    for (thread, make_shard) in data {
        spawn_local(thread.serve(make_shard()));
    }
    let ended = control.run().await;
    drop(drain);
    ended
}
