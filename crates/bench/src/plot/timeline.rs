//! Pure. Latency and throughput over the time of a run, with the times of handoffs shaded.

use super::axis::{self, Scale};
use super::frame::{self, Entry, Mark, Panel, Side, Words};
use super::scene::{BLACK, Colour, SERIES, Scene};
use crate::timeline::IntervalRow;

const SHADE: Colour = SERIES[4];
const SHADE_OPACITY: f64 = 0.25;
const ERROR: Colour = (0xc0, 0x00, 0x00);
/// Between the two panels.
const BETWEEN: f64 = 26.0;

/// One figure of an interval.
type Figure = fn(&IntervalRow) -> f64;

/// Draws the intervals of one run.
pub(crate) fn draw(rows: &[IntervalRow], caption: &str, title: Option<&str>) -> Scene {
    let line = |text: &str, colour| Entry { text: text.to_owned(), colour, mark: Mark::Line };
    let mut legend = vec![
        line("latency p50", SERIES[0]),
        line("p99", SERIES[1]),
        line("max", SERIES[3]),
        line("throughput", SERIES[2]),
    ];
    if rows.iter().any(|row| row.handoffs > 0) {
        let mark = Mark::Area(SHADE_OPACITY);
        legend.push(Entry { text: "handoffs under way".to_owned(), colour: SHADE, mark });
    }
    let errors: u64 = rows.iter().map(|row| row.errors).sum();
    if errors > 0 {
        legend.push(line(&format!("errors ({errors} in all)"), ERROR));
    }
    let words = Words {
        title: title.unwrap_or("Latency and throughput over time").to_owned(),
        caption: caption.to_owned(),
        legend,
    };
    let (mut scene, whole) = frame::begin(&words);
    let whole = whole.without_right_axis();
    let border = whole.top + (whole.bottom - whole.top) * 0.6;
    let upper = Panel { bottom: border - BETWEEN / 2.0, ..whole };
    let lower = Panel { top: border + BETWEEN / 2.0, ..whole };
    let width = interval(rows);
    let end = rows.last().map_or(1.0, |row| row.seconds + width);
    let time = Scale::between(0.0, end);
    for panel in [&upper, &lower] {
        shade(&mut scene, panel, rows, width, &time);
    }
    draw_latencies(&mut scene, &upper, rows, width, &time);
    draw_throughput(&mut scene, &lower, rows, width, &time);
    let marks: Vec<(f64, String)> =
        time.marks().iter().map(|mark| (lower.x(time.place(*mark)), axis::short(*mark))).collect();
    lower.marks_below(&mut scene, &marks);
    lower.name_below(&mut scene, "time in seconds");
    for panel in [&upper, &lower] {
        mark_errors(&mut scene, panel, rows, width, &time);
        panel.outline(&mut scene);
    }
    scene
}

fn draw_latencies(
    scene: &mut Scene,
    panel: &Panel,
    rows: &[IntervalRow],
    width: f64,
    time: &Scale,
) {
    let all: Vec<f64> = rows.iter().flat_map(|row| [row.p50_us, row.p99_us, row.max_us]).collect();
    let scale = Scale::logarithmic(&all);
    panel.value_axis(scene, Side::Left, &scale, ("latency", BLACK), axis::time);
    // Where it is the same, the wide one shows below the next.
    let series: [(Colour, f64, Figure); 3] = [
        (SERIES[3], 4.0, |row| row.max_us),
        (SERIES[1], 1.5, |row| row.p99_us),
        (SERIES[0], 1.5, |row| row.p50_us),
    ];
    for (colour, stroke, value) in series {
        // An interval without answers has no latency: the line has a gap.
        for part in rows.split(|row| row.max_us == 0.0).filter(|part| !part.is_empty()) {
            let point = |row: &IntervalRow| {
                let x = panel.x(time.place(row.seconds + width / 2.0));
                (x, panel.y(scale.place(value(row))))
            };
            let points: Vec<(f64, f64)> = part.iter().map(point).collect();
            match points[..] {
                [alone] => scene.dot(alone, stroke, colour),
                _ => scene.line(&points, colour, stroke),
            }
        }
    }
}

fn draw_throughput(
    scene: &mut Scene,
    panel: &Panel,
    rows: &[IntervalRow],
    width: f64,
    time: &Scale,
) {
    let highest = rows.iter().map(|row| row.throughput).fold(0.0, f64::max);
    let scale = Scale::from_zero(highest);
    panel.value_axis(scene, Side::Left, &scale, ("operations a second", SERIES[2]), axis::short);
    let points: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| {
            let x = panel.x(time.place(row.seconds + width / 2.0));
            (x, panel.y(scale.place(row.throughput)))
        })
        .collect();
    scene.line(&points, SERIES[2], 1.5);
}

/// Areas where handoffs were under way.
fn shade(scene: &mut Scene, panel: &Panel, rows: &[IntervalRow], width: f64, time: &Scale) {
    for span in rows.split(|row| row.handoffs == 0) {
        let (Some(first), Some(last)) = (span.first(), span.last()) else { continue };
        let from = panel.x(time.place(first.seconds));
        let to = panel.x(time.place(last.seconds + width));
        scene.fill((from, panel.top), (to, panel.bottom), SHADE, SHADE_OPACITY);
    }
}

/// A stroke at the bottom of the panel for each interval with errors.
fn mark_errors(scene: &mut Scene, panel: &Panel, rows: &[IntervalRow], width: f64, time: &Scale) {
    for row in rows.iter().filter(|row| row.errors > 0) {
        let x = panel.x(time.place(row.seconds + width / 2.0));
        scene.line(&[(x, panel.bottom - 8.0), (x, panel.bottom)], ERROR, 1.5);
    }
}

/// The length of an interval in seconds.
fn interval(rows: &[IntervalRow]) -> f64 {
    match rows {
        [first, second, ..] => (second.seconds - first.seconds).max(1e-6),
        _ => 0.1,
    }
}
