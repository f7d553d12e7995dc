//! Shell. Prints made-up histories of registers with what our judge makes of them, for
//! `cargo xtask porcupine`.

use std::io::{BufWriter, Write};

use clap::Parser;
use e2e::history::invent_line;

/// Prints made-up histories, one a line.
#[derive(Parser)]
struct Arguments {
    /// Where the choices begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many.
    #[arg(long, default_value_t = 20_000)]
    count: u64,
}

fn main() -> anyhow::Result<()> {
    shell::panic::abort_on_panic();
    let Arguments { seed, count } = Arguments::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for number in 0..count {
        serde_json::to_writer(&mut out, &invent_line(seed, number))?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
