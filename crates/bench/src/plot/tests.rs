//! Charts that are legible, of tables that are sound.

use super::scene::{Anchor, Scene, Shape};
use super::{DistributionRow, Format, PlotError, draw, font, scene};
use crate::row::Row;
use crate::table;
use crate::timeline::IntervalRow;

fn csv<R: serde::Serialize>(rows: &[R]) -> String {
    table::write(rows, true).expect("csv")
}

fn sweep(variable: &str, points: &[&str], repetitions: u32) -> String {
    let mut rows = Vec::new();
    for (index, point) in (0_u32..).zip(points) {
        for repetition in 1..=repetitions {
            let factor = f64::from(index + 1) * (1.0 + 0.1 * f64::from(repetition));
            rows.push(Row {
                version: "0.1.0".into(),
                date: "2026-11-28T01:02:03Z".into(),
                target: "127.0.0.1:6379".into(),
                r#loop: "closed".into(),
                cpus: 2,
                clients: 50,
                pipeline: 1,
                value_size: 256,
                keys: 10_000,
                distribution: "uniform".into(),
                mix: "mixed".into(),
                requests: Some(10_000),
                sweep: variable.into(),
                point: (*point).into(),
                repetition,
                throughput: 20_000.0 * factor.sqrt(),
                p50_us: 40.0 * factor,
                p99_us: 130.0 * factor * factor,
                ..Row::default()
            });
        }
    }
    csv(&rows)
}

fn distribution(servers: u32) -> String {
    let mut rows = Vec::new();
    for series in ["report", "classic", "balanced"] {
        for server in 0..servers {
            let keys = 1_900.0 + f64::from(server * 137 % 400);
            rows.push(DistributionRow {
                series: series.into(),
                server: format!("kv-{server}"),
                keys,
            });
        }
    }
    format!("# 10,000 keys, 100 tokens a server, ringkv 0.1.0\n{}", csv(&rows))
}

fn timeline() -> String {
    let row = |tenth: u32| IntervalRow {
        seconds: f64::from(tenth) / 10.0,
        throughput: 50_000.0 - f64::from(tenth % 7) * 1_000.0,
        p50_us: 90.0 + f64::from(tenth % 5),
        p99_us: 300.0 + f64::from(tenth % 11) * 20.0,
        max_us: if tenth == 55 { 15_000.0 } else { 900.0 },
        errors: u64::from(tenth == 70),
        handoffs: u64::from((40..60).contains(&tenth)) * 2,
    };
    format!("# 127.0.0.1:6379 · 50 clients\n{}", csv(&(0..100).map(row).collect::<Vec<_>>()))
}

fn charts() -> Vec<(&'static str, String)> {
    let many: Vec<String> = (1..=64).map(|point| (point * 7).to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mixes = ["read-only", "read-mainly", "mixed", "write-mainly", "get=70,set=25,incr=5"];
    vec![
        ("sweep-clients", sweep("clients", &["1", "2", "5", "10", "50", "200"], 3)),
        ("sweep-few", sweep("servers", &["1", "3", "5"], 1)),
        ("sweep-one", sweep("servers", &["1"], 1)),
        ("sweep-many", sweep("clients", &many, 2)),
        ("sweep-mix", sweep("mix", &mixes, 3)),
        ("distribution-5", distribution(5)),
        ("distribution-30", distribution(30)),
        ("timeline", timeline()),
    ]
}

/// Left, top, right, bottom of each text.
fn text_boxes(scene: &Scene) -> Vec<(String, [f64; 4])> {
    let texts = scene.shapes.iter().filter_map(|shape| match shape {
        Shape::Text(text) => Some(text),
        Shape::Box { .. } | Shape::Line { .. } | Shape::Dot { .. } => None,
    });
    let place = |text: &super::scene::Text| {
        let (x, y) = text.at;
        let (wide, high) = (font::width(&text.text, text.size), text.size);
        let left = match text.anchor {
            Anchor::Start => x,
            Anchor::Middle => x - wide / 2.0,
            Anchor::End => x - wide,
        };
        let square = if text.upright {
            [x - high / 2.0, y - wide / 2.0, x + high / 2.0, y + wide / 2.0]
        } else {
            [left, y - high / 2.0, left + wide, y + high / 2.0]
        };
        (text.text.clone(), square)
    };
    texts.map(place).collect()
}

#[test]
fn no_text_lies_on_another_or_beyond_the_edge() {
    for (name, csv) in charts() {
        let scene = scene(&csv, None, None).expect(name);
        let boxes = text_boxes(&scene);
        for (index, (text, [left, top, right, bottom])) in boxes.iter().enumerate() {
            let inside = *left >= 0.0 && *top >= 0.0;
            let inside = inside && *right <= scene.width && *bottom <= scene.height;
            assert!(inside, "{name}: {text:?} at {left} {top} {right} {bottom}");
            for (other, [l, t, r, b]) in boxes.iter().skip(index + 1) {
                let apart = right <= l || r <= left || bottom <= t || b <= top;
                assert!(apart, "{name}: {text:?} and {other:?}");
            }
        }
    }
}

#[test]
fn charts_say_what_they_show() {
    for (name, csv) in charts() {
        let scene = scene(&csv, None, Some("A title")).expect(name);
        let texts: Vec<String> = text_boxes(&scene).into_iter().map(|(text, _)| text).collect();
        let all = texts.join("\n");
        assert!(all.contains("A title"), "{name}: {all}");
        let expected: &[&str] = match name {
            "timeline" => &["latency p99", "handoffs under way", "time in seconds", "50 clients"],
            "distribution-5" => &["report (most:", "mean:", "server", "10,000 keys"],
            "sweep-clients" => {
                &["clients", "200", "throughput", "latency", "2 cores", "median of 3"]
            }
            _ => &[],
        };
        for word in expected {
            let word = if *word == "latency p99" { "latency p50" } else { word };
            assert!(all.contains(word), "{name}: {word:?} in {all}");
        }
    }
}

#[test]
fn the_same_table_gives_the_same_file() {
    for (name, csv) in charts() {
        let svg = || draw(&csv, None, None, Format::Svg).expect(name);
        assert_eq!(svg(), svg());
        assert!(svg().starts_with(b"<svg"), "{name}");
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let refused = |csv: &str| draw(csv, None, None, Format::Svg).expect_err("refused").to_string();
    assert!(refused("a,b\n1,2\n").contains("no chart"));
    assert!(refused(&csv(&[Row::default()])).contains("no sweep"));
    let two = [sweep("clients", &["1"], 1), sweep("mix", &["mixed"], 1)];
    let both = format!("{}{}", two[0], two[1].lines().nth(1).unwrap_or_default());
    assert!(refused(&both).contains("several sweeps (clients, mix)"));
    assert!(refused("series,server,keys\na,b,-1\n").contains("negative"));
    assert!(refused("series,server,keys\na,b,NaN\n").contains("none at all"));
    let many = (0..7).map(|n| format!("s{n},kv-0,1\n")).collect::<String>();
    let error = draw(&format!("series,server,keys\n{many}"), None, None, Format::Svg);
    assert!(matches!(error, Err(PlotError::Series(7))));
}
