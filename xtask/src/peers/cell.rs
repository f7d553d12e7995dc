//! Pure. What is measured: cells of kind, connections, pipeline and value size, and the settings of
//! durability that they are measured in.

use std::fmt;

use anyhow::{Context, ensure};

/// Connections, pipelines and value sizes of a full run.
const CONNECTIONS: [u32; 3] = [1, 50, 200];
const PIPELINES: [u32; 3] = [1, 16, 100];
const VALUES: [u32; 3] = [16, 256, 1024];
/// The corners that `--quick` measures: connections, pipeline, value size.
const QUICK: [(u32, u32, u32); 4] = [(1, 1, 16), (50, 1, 256), (50, 16, 256), (200, 100, 1024)];
/// GETs beside a load of SETs: so many connections, and bytes of a value.
const BESIDE: (u32, u32) = (50, 256);
/// Bounds of a cell that is named on the command line.
const CONNECTIONS_MAX: u32 = 5_000;
const PIPELINE_MAX: u32 = 10_000;
const VALUE_MAX: u32 = 1 << 20;

/// Which command is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SET.
    Set,
    /// GET of keys that are there.
    Get,
    /// The same, while other connections write as fast as they can.
    GetBesideSet,
}

impl Kind {
    /// As in tables and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Get => "get",
            Self::GetBesideSet => "get-beside-set",
        }
    }

    /// What redis-benchmark calls it.
    pub(crate) const fn test(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Get | Self::GetBesideSet => "get",
        }
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let all = [Self::Set, Self::Get, Self::GetBesideSet];
        let kind = all.into_iter().find(|kind| kind.name() == text);
        kind.with_context(|| format!("no kind {text}; there are set, get, get-beside-set"))
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Which command is counted.
    pub(crate) kind: Kind,
    /// Connections of the client.
    pub(crate) connections: u32,
    /// Commands that each connection sends at once.
    pub(crate) pipeline: u32,
    /// Bytes of a value.
    pub(crate) value_bytes: u32,
}

impl Cell {
    /// Reads `set,50,16,256`: kind, connections, pipeline, bytes of a value.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split(',').collect();
        let [kind, connections, pipeline, value] = parts.as_slice() else {
            anyhow::bail!("{text} is no cell; give KIND,CONNECTIONS,PIPELINE,BYTES: set,50,16,256");
        };
        let number = |text: &str, what: &str, max: u32| -> anyhow::Result<u32> {
            let number: u32 = text.parse().with_context(|| format!("{what} {text}"))?;
            ensure!((1..=max).contains(&number), "{what} {text}: from 1 to {max}");
            Ok(number)
        };
        Ok(Self {
            kind: Kind::parse(kind)?,
            connections: number(connections, "connections", CONNECTIONS_MAX)?,
            pipeline: number(pipeline, "pipeline", PIPELINE_MAX)?,
            value_bytes: number(value, "bytes of a value", VALUE_MAX)?,
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, connections, pipeline, value_bytes } = self;
        write!(f, "{},{connections},{pipeline},{value_bytes}", kind.name())
    }
}

/// When a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing is kept on disk: where only what is in front of the servers matters.
    Memory,
    /// An fsync each second.
    Everysec,
    /// After its fsync.
    Always,
}

impl Durability {
    /// Those that both a Redis and ringkv have.
    pub(crate) const ON_DISK: [Self; 2] = [Self::Everysec, Self::Always];

    /// As both programs and the command line call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }

    /// Reads one of [`Self::ON_DISK`].
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let found = Self::ON_DISK.into_iter().find(|durability| durability.name() == text);
        found.with_context(|| format!("no durability {text}; there are everysec and always"))
    }
}

/// Every cell of a run, those of one value size after the other, since the data that GETs read is
/// written anew for each size.
pub(crate) fn cells(quick: bool) -> Vec<Cell> {
    let shapes: Vec<(u32, u32, u32)> = if quick { QUICK.to_vec() } else { full() };
    let of_shape = |(connections, pipeline, value_bytes)| {
        [Kind::Get, Kind::Set].map(|kind| Cell { kind, connections, pipeline, value_bytes })
    };
    let mut cells: Vec<Cell> = shapes.into_iter().flat_map(of_shape).collect();
    cells.sort_by_key(|cell| cell.value_bytes);
    cells
}

/// GETs beside a load of SETs; they say something where a SET waits for the disk.
pub(crate) fn beside() -> Cell {
    let (connections, value_bytes) = BESIDE;
    Cell { kind: Kind::GetBesideSet, connections, pipeline: 1, value_bytes }
}

fn full() -> Vec<(u32, u32, u32)> {
    let mut shapes = Vec::new();
    for value in VALUES {
        for connections in CONNECTIONS {
            shapes.extend(PIPELINES.map(|pipeline| (connections, pipeline, value)));
        }
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_as_they_are_read() {
        let text = "get-beside-set,50,1,256";
        assert_eq!(Cell::parse(text).unwrap(), beside());
        assert_eq!(Cell::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        for text in ["", "set", "set,1,1", "set,1,1,1,1", "del,1,1,1", "set,0,1,1", "set,1,1,-1"] {
            assert!(Cell::parse(text).is_err(), "{text}");
        }
        assert!(Cell::parse("set,5000,10000,1048576").is_ok());
        assert!(Cell::parse("set,5001,10000,1048576").is_err());
    }

    #[test]
    fn a_full_run_has_each_combination_once_and_one_size_after_the_other() {
        let cells = cells(false);
        assert_eq!(cells.len(), 2 * 27);
        for (index, cell) in cells.iter().enumerate() {
            assert!(!cells[..index].contains(cell), "{cell}");
        }
        assert!(cells.is_sorted_by_key(|cell| cell.value_bytes));
        assert!(super::cells(true).iter().all(|cell| cells.contains(cell)));
    }
}
