//! Pure. Numbers as people read them.

use std::time::Duration;

use router::WritePause;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 key`, `2 keys`.
pub(crate) fn of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Bytes in binary units: `512 B`, `1.5 KiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A span of time: `0.8 s`, `42 s`, `3 min 5 s`, `2 h 10 min`.
pub(crate) fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// How long writes waited for a change at a router; `None` where none had to.
pub(crate) fn write_pause(pause: &WritePause) -> Option<String> {
    (pause.count > 0).then(|| {
        format!(
            "at this router {} met a change so far, and waited {:.1} ms (p50), {:.1} ms (p99), \
             {:.1} ms (longest)",
            of(pause.count, "write"),
            pause.p50_ms,
            pause.p99_ms,
            pause.max_ms
        )
    })
}

/// A share of the whole, in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Columns of text: the first aligned left, the others right, two spaces between.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([title.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = header.iter().enumerate().map(|(i, title)| width(i, title)).collect();
    let mut text = String::new();
    let mut push_line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            if column == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    push_line(&mut header.iter().copied());
    for row in rows {
        push_line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{WritePause, bytes, count, duration, of, table, write_pause};

    #[test]
    fn numbers_are_readable() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(count)[..]);
        assert_eq!(["0 keys", "1 key", "2 keys"], [0, 1, 2].map(|n| of(n, "key"))[..]);
    }

    #[test]
    fn bytes_change_unit_where_they_would_show_1024() {
        let cases = [0, 1_023, 1_024, 1_536, 1_048_525, 1_048_576, u64::MAX];
        let texts = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "16384.0 PiB"];
        assert_eq!(texts, cases.map(bytes)[..]);
    }

    #[test]
    fn pauses_are_told_if_there_were_any() {
        let pause = WritePause { count: 1, p50_ms: 3.21, p99_ms: 12.0, max_ms: 20.04 };
        let text = write_pause(&pause).expect("a text");
        assert_eq!(
            text,
            "at this router 1 write met a change so far, and waited 3.2 ms (p50), 12.0 ms (p99), \
             20.0 ms (longest)"
        );
        assert_eq!(write_pause(&WritePause::default()), None);
    }

    #[test]
    fn spans_are_readable() {
        let cases = [0, 840, 9_999, 42_900, 185_000, 7_800_000].map(Duration::from_millis);
        let texts = ["0.0 s", "0.8 s", "10.0 s", "42 s", "3 min 5 s", "2 h 10 min"];
        assert_eq!(texts, cases.map(duration)[..]);
    }

    #[test]
    fn a_table_is_aligned() {
        let rows = [vec!["kv-0".into(), "5".into()], vec!["kv-10".into(), "1,000".into()]];
        assert_eq!(
            table(&["server", "keys"], &rows),
            "server   keys\nkv-0        5\nkv-10   1,000\n"
        );
    }
}
