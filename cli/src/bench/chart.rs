//! Shell. `ringkv bench plot`: charts of what was measured.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bench::plot::{self, Format, Kind, PlotError};
use bench::table::CSV_BYTES_MAX;
use clap::{Args, ValueEnum};

use crate::failure::Failure;

/// Draw a chart of a CSV that `ringkv bench` has written.
///
/// A sweep becomes latency and throughput over what was varied, with the median of several
/// repetitions and whiskers from the least to the most; a timeline becomes the same over time,
/// with the times of handoffs shaded; a table with the columns series,server,keys becomes bars
/// beside the mean. Lines of the file that begin with `#` become the caption of the latter two.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlotArgs {
    /// The table
    #[arg(value_name = "FILE.csv")]
    table: PathBuf,
    /// Where to write the chart; the name's end says whether as SVG or as PNG
    #[arg(short, long, value_name = "FILE.svg|FILE.png")]
    output: PathBuf,
    /// What the chart shows [default: as the columns say]
    #[arg(long, value_enum)]
    kind: Option<ChartKind>,
    /// What is written above it
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  ringkv bench plot clients.csv -o clients.svg
  ringkv bench plot keys.csv -o keys.png --title '10,000 keys on 5 servers'";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ChartKind {
    /// Latency and throughput over what a sweep has varied
    Sweep,
    /// Keys of each server
    Distribution,
    /// Latency and throughput over time
    Timeline,
}

pub(super) fn run(args: &PlotArgs) -> Result<(), Failure> {
    let format = format_of(&args.output)?;
    let kind = args.kind.map(|kind| match kind {
        ChartKind::Sweep => Kind::Sweep,
        ChartKind::Distribution => Kind::Distribution,
        ChartKind::Timeline => Kind::Timeline,
    });
    let text = read(&args.table).map_err(Failure::storage)?;
    let chart = plot::draw(&text, kind, args.title.as_deref(), format).map_err(|error| {
        let text = format!("{}: {error}", args.table.display());
        match error {
            PlotError::Render(_) => Failure::other(text),
            _ => Failure::usage(text),
        }
    })?;
    let written = fs::write(&args.output, chart);
    written.with_context(|| format!("write {}", args.output.display())).map_err(Failure::storage)
}

fn format_of(path: &Path) -> Result<Format, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        _ => Err(Failure::usage(format!(
            "{}: give a name that ends in .svg or .png",
            path.display()
        ))),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let open = || format!("read {}", path.display());
    let file = fs::File::open(path).with_context(open)?;
    let mut text = String::new();
    let read = file.take(CSV_BYTES_MAX + 1).read_to_string(&mut text).with_context(open)?;
    anyhow::ensure!(
        read as u64 <= CSV_BYTES_MAX,
        "{} has more than {CSV_BYTES_MAX} bytes: take a part of it",
        path.display()
    );
    Ok(text)
}
