//! Shell. What others have written for Redis, against ringkv: see docs/testing.md.

mod differential;
mod expected;
mod redis_py;
mod redis_server;
mod redis_tcl;

use std::env;
use std::path::PathBuf;

/// Where it is set, nothing is skipped.
const REQUIRED: &str = "RINGKV_REQUIRE_FOREIGN";

/// The directory that a variable names. Says plainly that something is left out where it names
/// none, or fails where nothing may be.
fn skipped(variable: &str) -> anyhow::Result<Option<PathBuf>> {
    if let Some(directory) = env::var_os(variable) {
        return Ok(Some(PathBuf::from(directory)));
    }
    anyhow::ensure!(env::var_os(REQUIRED).is_none(), "{variable} is not set");
    println!("    skipped: {variable} is not set; `cargo xtask foreign` provides what it names");
    Ok(None)
}
