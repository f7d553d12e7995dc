//! Shell. Logs: lines on standard error, filtered by `RUST_LOG`.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged where `RUST_LOG` says nothing: our own progress, others' trouble.
pub const DEFAULT_FILTER: &str = "info,fjall=warn,lsm_tree=warn,hyper=warn";

/// Sends this process's logs to standard error. `default_filter` holds where `RUST_LOG` is not set.
///
/// # Errors
/// Where `RUST_LOG` is not a filter, or logging was set up before.
pub fn init(component: &str, default_filter: &str) -> anyhow::Result<()> {
    init_to(component, default_filter, io::stderr().is_terminal(), io::stderr)
}

/// The same with a writer of one's own.
///
/// # Errors
/// As of [`init`].
pub fn init_to<W>(
    component: &str,
    default_filter: &str,
    colours: bool,
    writer: W,
) -> anyhow::Result<()>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter(default_filter)?)
        .with_writer(writer)
        .with_ansi(colours)
        .with_target(false)
        // A line that cannot be written, such as on a full disk, is lost. It would otherwise be
        // reported on standard error, and a failure of that is a panic.
        .log_internal_errors(false)
        .try_init()
        .map_err(|error| anyhow::anyhow!("start logging: {error}"))?;
    tracing::debug!(component, version = env!("CARGO_PKG_VERSION"), "starting");
    Ok(())
}

fn filter(default_filter: &str) -> anyhow::Result<EnvFilter> {
    match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text).with_context(|| {
            format!("RUST_LOG={text:?} is not a filter such as info,kvnode=debug")
        }),
        _ => EnvFilter::try_new(default_filter).context("parse the default log filter"),
    }
}
