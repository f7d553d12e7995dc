//! Pure. CSV: rows to text and back, with what a file says of itself in lines that begin with `#`.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest CSV that is read.
pub const CSV_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most rows that are read.
pub const ROWS_MAX: usize = 200_000;

/// Why a CSV is not understood.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not CSV, or not these columns.
    #[error("{0}; take a file that `ringkv bench` has written")]
    Csv(#[from] csv::Error),
    /// Too large.
    #[error("more than {ROWS_MAX} rows; take a part of the file")]
    Rows,
    /// A header and nothing else.
    #[error("no rows in it")]
    Empty,
    /// Another version's columns.
    #[error(
        "the columns of the file are not those of this version of ringkv: write to another file"
    )]
    OtherColumns,
}

/// Rows as CSV, with the header if wanted.
///
/// # Errors
/// Never, for the rows of this crate.
pub fn write<R: Serialize>(rows: &[R], header: bool) -> Result<String, TableError> {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What to append to a file whose first line that is (nothing for a new file).
///
/// # Errors
/// The file has other columns.
pub fn append<R: Serialize>(first_line: &str, row: &R) -> Result<String, TableError> {
    let with_header = write(std::slice::from_ref(row), true)?;
    let (header, line) = with_header.split_once('\n').ok_or(TableError::Empty)?;
    match first_line.lines().next() {
        None => Ok(with_header),
        Some(first) if first == header => Ok(line.to_owned()),
        Some(_) => Err(TableError::OtherColumns),
    }
}

/// The columns' names.
///
/// # Errors
/// No CSV.
pub fn columns(text: &str) -> Result<Vec<String>, TableError> {
    let mut reader = reader(text);
    Ok(reader.headers()?.iter().map(str::to_owned).collect())
}

/// Reads at least one row.
///
/// # Errors
/// Other columns, or too many rows, or none.
pub fn read<R: DeserializeOwned>(text: &str) -> Result<Vec<R>, TableError> {
    let mut rows = Vec::new();
    for row in reader(text).deserialize() {
        if rows.len() >= ROWS_MAX {
            return Err(TableError::Rows);
        }
        rows.push(row?);
    }
    if rows.is_empty() { Err(TableError::Empty) } else { Ok(rows) }
}

/// What the file says of itself: the lines with `#`.
#[must_use]
pub fn remarks(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix('#')).map(str::trim).collect()
}

fn reader(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TableError, append, columns, read, remarks, write};
    use crate::row::Row;
    use crate::timeline::IntervalRow;

    fn row(mix: &str, rate: Option<u64>) -> Row {
        Row { mix: mix.to_owned(), rate, p99_us: 12.5, preload: true, ..Row::default() }
    }

    #[test]
    fn a_file_grows_by_rows_under_one_header() {
        let mut file = String::new();
        let rows = [row("get=70,set=30", Some(5)), row("mixed", None)];
        for row in &rows {
            file.push_str(&append(&file, row).expect("appended"));
        }
        assert_eq!(file.lines().count(), 3);
        assert_eq!(read::<Row>(&file).expect("rows"), rows);
        assert_eq!(columns(&file).expect("columns").first().map(String::as_str), Some("version"));
        let other = append("date,version\n", &rows[0]);
        assert!(matches!(other, Err(TableError::OtherColumns)));
    }

    #[test]
    fn remarks_are_no_rows() {
        let rows = [IntervalRow { seconds: 0.1, ..IntervalRow::default() }];
        let text = format!("# 50 clients\n{}", write(&rows, true).expect("csv"));
        assert_eq!(read::<IntervalRow>(&text).expect("rows"), rows);
        assert_eq!(remarks(&text), ["50 clients"]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for bad in ["", "version\n", "a,b\n1\n", "a\n1\n"] {
            assert!(read::<Row>(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_row_reads_back_as_it_is_written(
            target in "[ -~]{0,30}[!-~]", seconds in prop::option::of(0.0..1e6),
            throughput in 0.0..1e9, operations: u64,
        ) {
            let target = target.trim().to_owned();
            let row = Row { target, seconds, throughput, operations, ..Row::default() };
            let text = write(std::slice::from_ref(&row), true).expect("csv");
            prop_assert_eq!(read::<Row>(&text).expect("rows"), [row]);
        }
    }
}
