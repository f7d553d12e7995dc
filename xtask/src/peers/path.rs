//! Shell. The whole path: ringkv with its servers, beside nutcracker with as many redis-servers, in
//! the same durability.

use std::path::Path;

use anyhow::{Context, ensure};

use super::Findings;
use super::cell::{Cell, Durability, beside, cells};
use super::connection::{Route, hit_share, write_all};
use super::options::{Options, What};
use super::rounds::measure;
use super::sides::{Side, nutcracker, redis, ringkv};

/// Servers of each side.
pub(crate) const SERVERS: usize = 5;
/// The names of the sides.
pub(crate) const NAMES: [&str; 2] = ["ringkv", "nutcracker"];
/// The least share of random keys that have to be there, or a GET measures something else.
const HITS_MIN: f64 = 0.999;

/// Measures every cell in every durability.
pub(crate) fn run(
    program: &Path,
    directory: &Path,
    options: &Options,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for durability in Durability::ON_DISK {
        if options.durability.is_some_and(|only| only != durability) {
            continue;
        }
        let directory = tempfile::tempdir_in(directory).context("no directory for the data")?;
        let directory = directory.path();
        let (ours, _) = ringkv(program, directory, SERVERS, durability)?;
        let sides = [ours, peer(directory, durability)?];
        measure_all(
            &sides,
            durability,
            &chosen(options, durability),
            options,
            directory,
            findings,
        )?;
    }
    Ok(())
}

/// Measures the cells. Before those of a value size every key gets a value of that size; a cell
/// that fails is told and does not keep the others from being measured.
pub(crate) fn measure_all(
    sides: &[Side],
    durability: Durability,
    cells: &[Cell],
    options: &Options,
    directory: &Path,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for side in sides {
        side.pin(options.pin.as_ref())?;
    }
    for group in cells.chunk_by(|one, other| one.value_bytes == other.value_bytes) {
        let Some(Cell { value_bytes, .. }) = group.first() else { continue };
        for side in sides {
            write_all(&Route::One(side.port), options.keys, *value_bytes)
                .with_context(|| format!("{} with values of {value_bytes} bytes", side.name))?;
            let hits = hit_share(side.port, options.keys)?;
            let (name, share) = (side.name, hits * 100.0);
            println!("{name}: values of {value_bytes} bytes, {share:.1} % of random GETs hit");
            ensure!(hits >= HITS_MIN, "keys that were written are not there");
        }
        for cell in group {
            match measure(sides, durability, cell, options, directory) {
                Ok(row) => findings.put(row),
                Err(error) => findings.fail(format!("{} {cell}: {error:#}", durability.name())),
            }
        }
    }
    Ok(())
}

fn chosen(options: &Options, durability: Durability) -> Vec<Cell> {
    let mut chosen = options.cells.clone();
    if chosen.is_empty() {
        chosen = cells(options.quick);
        if durability == Durability::Always && options.what == What::Path {
            chosen.push(beside());
        }
    }
    // A stable order: only sizes are brought together.
    chosen.sort_by_key(|cell| cell.value_bytes);
    chosen
}

fn peer(directory: &Path, durability: Durability) -> anyhow::Result<Side> {
    let (mut processes, mut ports) = (Vec::new(), Vec::new());
    for index in 0..SERVERS {
        let (server, port) = redis(&format!("redis-{index}"), directory, durability, &[])?;
        processes.push(server);
        ports.push(port);
    }
    let servers = processes.iter().map(crate::processes::Process::id).collect();
    let (proxy, port) = nutcracker(directory, &ports)?;
    let side = Side::of("nutcracker", port, vec![proxy.id()], servers);
    Ok(side.owning(vec![proxy]).owning(processes))
}
