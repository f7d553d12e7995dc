//! Shell. The one binary of ringkv: every role is a subcommand, one file each.

mod bars;
mod bench;
mod cluster_api;
mod cluster_client;
mod crd;
mod failure;
mod figures;
mod help_markdown;
mod local;
mod node;
mod operator;
mod options;
mod plan;
mod progress;
mod reasons;
mod ring;
mod router;
mod scale;
mod status;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use failure::Failure;

/// A durable key-value store, sharded by an MD5 ring, that grows and shrinks while it serves.
#[derive(Debug, Parser)]
#[command(name = "ringkv", version = VERSION, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const VERSION: &str = if planted::IS_ENABLED {
    concat!(
        env!("CARGO_PKG_VERSION"),
        " WITH PLANTED BUGS: loses data, for tests of the tests only"
    )
} else {
    env!("CARGO_PKG_VERSION")
};

const EXAMPLES: &str = "\
Examples:
  ringkv local                             start three servers and a router on this machine
  redis-cli -p 6379 set greeting hello     use it with any Redis client
  ringkv scale 5                           grow it to five servers, under load
  ringkv status                            see the servers and what moves
  ringkv bench                             measure how fast it answers

Exit codes: 0 done, 64 wrong usage, 69 something needed is not available, 74 storage, 1 other.";

#[derive(Debug, Subcommand)]
enum Command {
    Local(local::LocalArgs),
    Status(status::StatusArgs),
    Scale(scale::ScaleArgs),
    Plan(plan::PlanArgs),
    Bench(Box<bench::BenchArgs>),
    Ring(ring::RingArgs),
    Node(node::NodeArgs),
    Router(router::RouterArgs),
    Operator(operator::OperatorArgs),
    Crd(crd::CrdArgs),
    #[command(hide = true)]
    HelpMarkdown(help_markdown::HelpMarkdownArgs),
}

fn main() -> ExitCode {
    shell::panic::abort_on_panic();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { shell::exit::USAGE } else { shell::exit::OK }.into();
        }
    };
    match run(cli.command) {
        Ok(()) => shell::exit::OK.into(),
        Err(failure) => {
            // Where nobody can be told, the code still tells.
            let _ = writeln!(std::io::stderr(), "ringkv: {failure}");
            failure.code().into()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Local(args) => local::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Scale(args) => scale::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Ring(args) => ring::run(&args),
        Command::Node(args) => node::run(args),
        Command::Router(args) => router::run(args),
        Command::Operator(args) => operator::run(args),
        Command::Crd(args) => crd::run(&args),
        Command::HelpMarkdown(args) => help_markdown::run(&args),
    }
}
