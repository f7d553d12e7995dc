//! Pure. Charts of what `ringkv bench` has written, as SVG or PNG.

mod axis;
mod caption;
mod distribution;
mod font;
mod frame;
mod render;
mod scene;
mod sweep;
mod timeline;

#[cfg(test)]
mod tests;

use crate::row::Row;
use crate::table::{self, TableError};
use crate::timeline::IntervalRow;

pub use distribution::{DistributionRow, SERIES_MAX};
pub use render::RenderError;

/// What a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Latency and throughput over what a sweep varied.
    Sweep,
    /// Keys of each server.
    Distribution,
    /// Latency and throughput over time.
    Timeline,
}

/// The format of a chart's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text, of any size.
    Svg,
    /// Pixels.
    Png,
}

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// Not a table of that kind.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Columns of no kind.
    #[error(
        "the columns are of no chart: give a CSV of --csv with a sweep, one of --timeline, or one \
         with the columns series,server,keys"
    )]
    Columns,
    /// Rows without a sweep, or of several.
    #[error("rows of {0}: give a CSV with one --sweep in it")]
    Sweeps(String),
    /// Too many to be told apart.
    #[error("{0} series are more than the {SERIES_MAX} that can be told apart: take some out")]
    Series(usize),
    /// Numbers that cannot be drawn.
    #[error("a number in the file is negative or none at all; take it out")]
    Number,
    /// A bug.
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// Draws the table; its kind is told by its columns unless given. The same table gives the same
/// bytes.
///
/// # Errors
/// The text is no table of that kind.
pub fn draw(
    csv: &str,
    kind: Option<Kind>,
    title: Option<&str>,
    format: Format,
) -> Result<Vec<u8>, PlotError> {
    let scene = scene(csv, kind, title)?;
    Ok(match format {
        Format::Svg => render::svg(&scene)?.into_bytes(),
        Format::Png => render::png(&scene)?,
    })
}

/// The conditions of a run in one line, as in captions.
#[must_use]
pub fn conditions(row: &Row) -> String {
    caption::of_rows(std::slice::from_ref(row), "")
}

fn scene(csv: &str, kind: Option<Kind>, title: Option<&str>) -> Result<scene::Scene, PlotError> {
    let kind = match kind {
        Some(kind) => kind,
        None => guess(&table::columns(csv)?).ok_or(PlotError::Columns)?,
    };
    let remarks = table::remarks(csv).join(" ");
    match kind {
        Kind::Sweep => {
            let rows: Vec<Row> = table::read(csv)?;
            let variable = only_sweep(&rows)?;
            demand_numbers(rows.iter().flat_map(|row| [row.p50_us, row.p99_us, row.throughput]))?;
            Ok(sweep::draw(&rows, variable, title))
        }
        Kind::Distribution => {
            let rows: Vec<DistributionRow> = table::read(csv)?;
            demand_numbers(rows.iter().map(|row| row.keys))?;
            let mut series: Vec<&str> = rows.iter().map(|row| row.series.as_str()).collect();
            series.sort_unstable();
            series.dedup();
            if series.len() > SERIES_MAX {
                return Err(PlotError::Series(series.len()));
            }
            Ok(distribution::draw(&rows, &remarks, title))
        }
        Kind::Timeline => {
            let mut rows: Vec<IntervalRow> = table::read(csv)?;
            let figures = |row: &IntervalRow| {
                [row.seconds, row.throughput, row.p50_us, row.p99_us, row.max_us]
            };
            demand_numbers(rows.iter().flat_map(figures))?;
            rows.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
            Ok(timeline::draw(&rows, &remarks, title))
        }
    }
}

fn guess(columns: &[String]) -> Option<Kind> {
    let has = |name: &str| columns.iter().any(|column| column == name);
    if has("series") && has("server") && has("keys") {
        Some(Kind::Distribution)
    } else if has("sweep") && has("point") {
        Some(Kind::Sweep)
    } else if has("seconds") && has("handoffs") {
        Some(Kind::Timeline)
    } else {
        None
    }
}

fn only_sweep(rows: &[Row]) -> Result<&str, PlotError> {
    let mut names: Vec<&str> = rows.iter().map(|row| row.sweep.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match names[..] {
        [""] | [] => Err(PlotError::Sweeps("no sweep".to_owned())),
        [one] => Ok(one),
        _ => Err(PlotError::Sweeps(format!("several sweeps ({})", names.join(", ")))),
    }
}

fn demand_numbers(mut numbers: impl Iterator<Item = f64>) -> Result<(), PlotError> {
    const MOST: f64 = 1e15;
    let drawable = numbers.all(|number| (0.0..=MOST).contains(&number));
    if drawable { Ok(()) } else { Err(PlotError::Number) }
}
