//! Shell. Everything that can go wrong between the operator and the API server, tried one after
//! the other: the real operator, a real API server with its controllers, real servers with real
//! data; between operator and API server a proxy that harms one request or one watch a case.
//!
//! It is started by `cargo xtask operator-faults`, which starts the control plane before.

mod api;
mod bench;
mod data;
mod fields;
mod judge;
mod kubelet;
mod options;
mod plan;
mod process;
mod proxy;
mod report;
mod run;
mod server;
mod sweep;
mod workflow;

use std::process::ExitCode;

use anyhow::Context;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("error: {wrong}\n\n{}", options::USAGE);
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result =
        runtime.context("no runtime").and_then(|runtime| runtime.block_on(run::run(&options)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
