//! Pure. The tables of cells: for people, as CSV, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::cell::Kind;
use super::rows::{Row, Sample};
use super::statistics::Spread;

/// The table for people, in Markdown. The first of the names is ours.
pub(crate) fn text(names: &[&str], rows: &[Row]) -> String {
    let mut heads = vec!["durability".to_owned(), "cell".to_owned(), "requests".to_owned()];
    let others = names.iter().skip(1);
    heads.extend(others.map(|name| format!("ratio to {name} (min, max)")));
    heads.extend(names.iter().map(|name| format!("{name} /s")));
    heads.extend(names.iter().map(|name| format!("{name} p50, p99 ms")));
    heads.extend(names.iter().map(|name| format!("{name} CPU s per 1M: front + servers")));
    let lines: Vec<Vec<String>> = rows.iter().map(|row| line(row, names.len())).collect();
    markdown(&heads, &lines)
}

fn line(row: &Row, sides: usize) -> Vec<String> {
    let mut fields = vec![row.durability.name().to_owned(), row.cell.to_string()];
    fields.push(row.requests.to_string());
    fields.extend((1..sides).map(|side| row.ratio(side).map_or("-".to_owned(), ratio)));
    fields.extend((0..sides).map(|side| format!("{:.0}", row.median(side, |it| it.per_second))));
    fields.extend((0..sides).map(|side| {
        let (p50, p99) = (row.median(side, |it| it.p50_ms), row.median(side, |it| it.p99_ms));
        format!("{p50:.2}, {p99:.2}")
    }));
    fields.extend((0..sides).map(|side| {
        if row.cell.kind == Kind::GetBesideSet {
            // They answer the SETs as well, which nobody counts.
            return "-".to_owned();
        }
        let proxy = row.cpu(side, |it| it.proxy_cpu_seconds);
        let servers = row.cpu(side, |it| it.servers_cpu_seconds);
        format!("{proxy:.1} + {servers:.1}")
    }));
    fields
}

/// A ratio as tables show it.
pub(crate) fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2}, {:.2})", spread.median, spread.min, spread.max)
}

/// A table in Markdown whose columns are aligned for whoever reads it on a terminal.
pub(crate) fn markdown(heads: &[String], lines: &[Vec<String>]) -> String {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| {
            let fields = lines.iter().filter_map(|line| line.get(at));
            fields.chain([head]).map(String::len).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    let mut put = |fields: &[String]| {
        for (field, width) in fields.iter().zip(&widths) {
            let _ = write!(text, "| {field:<width$} ");
        }
        text.push_str("|\n");
    };
    put(heads);
    put(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>());
    lines.iter().for_each(|line| put(line));
    text
}

/// Every round as a line.
pub(crate) fn csv(names: &[&str], rows: &[Row]) -> String {
    let mut text = "durability,kind,connections,pipeline,value_bytes,requests,round,side,\
                    per_second,p50_ms,p99_ms,front_cpu_s,servers_cpu_s,idle_share,client_share\n"
        .to_owned();
    for row in rows {
        for (round, samples) in row.rounds.iter().enumerate() {
            for (name, sample) in names.iter().zip(samples) {
                let (durability, cell, requests) = (row.durability.name(), row.cell, row.requests);
                let figures = figures(sample);
                let round = round + 1;
                let _ = writeln!(text, "{durability},{cell},{requests},{round},{name},{figures}");
            }
        }
    }
    text
}

fn figures(sample: &Sample) -> String {
    let Sample { per_second, p50_ms, p99_ms, .. } = sample;
    let Sample { proxy_cpu_seconds, servers_cpu_seconds, idle_share, client_share, .. } = sample;
    format!(
        "{per_second:.2},{p50_ms:.3},{p99_ms:.3},{proxy_cpu_seconds:.2},{servers_cpu_seconds:.2},\
         {idle_share:.4},{client_share:.3}"
    )
}

/// All of it.
pub(crate) fn json(
    names: &[&str],
    rows: &[Row],
    conditions: &[String],
    missed: &[String],
) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let ratios: Vec<Option<Spread>> =
                (1..names.len()).map(|side| row.ratio(side)).collect();
            json!({
                "durability": row.durability.name(),
                "kind": row.cell.kind.name(),
                "connections": row.cell.connections,
                "pipeline": row.cell.pipeline,
                "value_bytes": row.cell.value_bytes,
                "requests": row.requests,
                "ratios": ratios,
                "rounds": row.rounds,
            })
        })
        .collect();
    json!({ "sides": names, "conditions": conditions, "rows": rows, "missed": missed })
}

#[cfg(test)]
mod tests {
    use super::super::cell::Durability;
    use super::super::rows::tests::row;
    use super::*;

    const NAMES: [&str; 2] = ["ringkv", "nutcracker"];

    #[test]
    fn the_table_has_ratios_medians_and_cost() {
        let rates = [(200.0, 100.0), (300.0, 100.0), (400.0, 100.0)];
        let text = text(&NAMES, &[row(Durability::Always, "set,50,1,16", &rates)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        for part in ["| 3.00 (2.00, 4.00) ", "| 300 ", "| 100 ", "| 0.50, 2.00 ", "| 2.0 + 6.0 "] {
            assert!(lines[2].contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_costs_more_than_is_counted_has_no_cost() {
        let beside = row(Durability::Always, "get-beside-set,50,1,256", &[(1.0, 1.0)]);
        assert!(!text(&NAMES, &[beside]).contains("2.0 + 6.0"));
    }

    #[test]
    fn csv_has_a_line_for_each_round_of_each_side() {
        let rates = [(200.0, 100.0), (300.0, 100.0)];
        let text = csv(&NAMES, &[row(Durability::Everysec, "get,1,16,256", &rates)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        let columns = lines[0].split(',').count();
        assert!(lines.iter().all(|line| line.split(',').count() == columns), "{text}");
        assert_eq!(
            lines[4],
            "everysec,get,1,16,256,500000,2,nutcracker,100.00,0.500,2.000,1.00,3.00,0.0100,0.400"
        );
    }

    #[test]
    fn json_has_all_of_it() {
        let rows = [row(Durability::Everysec, "get,1,16,256", &[(200.0, 100.0)])];
        let value = json(&NAMES, &rows, &["2 processors".to_owned()], &[]);
        assert_eq!(value["rows"][0]["ratios"][0]["median"], 2.0);
        assert_eq!(value["rows"][0]["rounds"][0][1]["per_second"], 100.0);
        assert_eq!(value["conditions"][0], "2 processors");
    }
}
