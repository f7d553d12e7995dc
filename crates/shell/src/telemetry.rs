//! Shell. Logs: lines on standard error, filtered by `RUST_LOG`.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing: our own progress, others' trouble.
pub const DEFAULT_FILTER: &str = "info,fjall=warn,lsm_tree=warn,hyper=warn";

/// Sends this process's logs to standard error. `default_filter` holds where `RUST_LOG` is not set.
///
/// # Errors
/// Where `RUST_LOG` is not a filter, or logging was set up before.
pub fn init(component: &str, default_filter: &str) -> anyhow::Result<()> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text).with_context(|| {
            format!("RUST_LOG={text:?} is not a filter such as info,kvnode=debug")
        })?,
        _ => EnvFilter::try_new(default_filter).context("parse the default log filter")?,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init()
        .map_err(|error| anyhow::anyhow!("start logging: {error}"))?;
    tracing::debug!(component, version = env!("CARGO_PKG_VERSION"), "starting");
    Ok(())
}
