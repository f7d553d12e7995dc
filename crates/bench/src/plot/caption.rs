//! Pure. The conditions of a chart in one sentence.

use crate::row::Row;

/// Conditions that all rows share; where they differ, that they do.
pub(crate) fn of_rows(rows: &[Row], swept: &str) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, text: Option<String>| {
        if name != swept
            && let Some(text) = text
        {
            parts.push(text);
        }
    };
    let target = |row: &Row| match swept {
        "servers" => "local clusters, each run a new one".to_owned(),
        _ => row.target.clone(),
    };
    add("target", shared(rows, "targets", target));
    let servers = |row: &Row| row.servers.map(|count| count_of(count.into(), "server"));
    add("servers", shared(rows, "servers", |row| servers(row).unwrap_or_default()));
    add("clients", shared(rows, "clients", |row| count_of(row.clients.into(), "client")));
    add("pipeline", shared(rows, "pipelines", |row| format!("pipeline {}", row.pipeline)));
    add("value-size", shared(rows, "sizes", |row| format!("values of {} B", row.value_size)));
    let keys = |row: &Row| format!("{} ({})", count_of(row.keys, "key"), row.distribution);
    add("keys", shared(rows, "keys", keys));
    add("mix", shared(rows, "mixes", |row| format!("mix {}", row.mix)));
    let pace = |row: &Row| match row.rate {
        Some(_) if swept == "rate" => "open loop".to_owned(),
        Some(rate) => format!("open loop at {rate}/s"),
        None => "closed loop".to_owned(),
    };
    add("loop", shared(rows, "loops", pace));
    add("requests", shared(rows, "lengths", length));
    let repetitions = rows.iter().map(|row| row.repetition).max().unwrap_or(1);
    let spread = format!("median of {repetitions} runs, whiskers from least to most");
    add("repetition", (repetitions > 1).then_some(spread));
    add("cpus", shared(rows, "machines", |row| count_of(row.cpus, "core")));
    add("version", shared(rows, "versions", |row| format!("ringkv {}", row.version)));
    add("date", shared(rows, "days", day));
    parts.join(" · ")
}

fn length(row: &Row) -> String {
    match (row.requests, row.seconds) {
        (Some(requests), _) => count_of(requests, "request"),
        (None, Some(seconds)) => format!("{seconds} s"),
        (None, None) => String::new(),
    }
}

fn day(row: &Row) -> String {
    row.date.split('T').next().unwrap_or_default().to_owned()
}

fn shared(rows: &[Row], plural: &str, text: impl Fn(&Row) -> String) -> Option<String> {
    let mut texts = rows.iter().map(text);
    let first = texts.next()?;
    if !texts.all(|text| text == first) {
        return Some(format!("several {plural}"));
    }
    (!first.is_empty()).then_some(first)
}

/// A count with its noun.
pub(crate) fn count_of(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::of_rows;
    use crate::row::Row;

    #[test]
    fn a_caption_has_what_is_the_same_and_says_what_is_not() {
        let row = Row {
            version: "0.1.0".into(),
            date: "2026-11-28T01:02:03Z".into(),
            target: "127.0.0.1:6379".into(),
            cpus: 2,
            clients: 50,
            pipeline: 1,
            requests: Some(1_000),
            value_size: 256,
            keys: 10_000,
            distribution: "uniform".into(),
            mix: "mixed".into(),
            repetition: 1,
            ..Row::default()
        };
        let other = Row { clients: 1, value_size: 16, repetition: 2, ..row.clone() };
        assert_eq!(
            of_rows(&[row, other], "clients"),
            "127.0.0.1:6379 · pipeline 1 · several sizes · 10000 keys (uniform) · mix mixed · \
             closed loop · 1000 requests · median of 2 runs, whiskers from least to most · \
             2 cores · ringkv 0.1.0 · 2026-11-28"
        );
    }
}
