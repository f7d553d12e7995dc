//! Pure. Latency and throughput over what a sweep varies, in one chart with two axes.

use std::collections::BTreeMap;

use super::axis::{self, Scale};
use super::caption;
use super::frame::{self, Entry, Mark, Panel, Side, Words};
use super::scene::{BLACK, Colour, SERIES, Scene};
use crate::row::Row;
use crate::sweep::Variable;

/// Room between the first and last points and the panel's sides, of its width.
const INSET: f64 = 0.05;
/// Latencies that span more than so many times are shown on a logarithmic scale.
const LOGARITHMIC_FROM: f64 = 20.0;
/// So far beside each other the series of one point are, in pixels: whiskers stay apart.
const APART: f64 = 5.0;

/// One measured quantity over the points: the lowest, the median, the highest.
struct Series {
    name: &'static str,
    colour: Colour,
    points: Vec<[f64; 3]>,
}

/// The points of a sweep in their order: numbers by size, others as they come.
struct Points<'a> {
    names: Vec<&'a str>,
    numbers: Option<Vec<f64>>,
    rows: Vec<Vec<&'a Row>>,
}

/// Draws the rows of one sweep; `variable` is its name.
pub(crate) fn draw(rows: &[Row], variable: &str, title: Option<&str>) -> Scene {
    let points = points(rows);
    let series = [
        ("latency p50", SERIES[0], (|row: &Row| row.p50_us) as fn(&Row) -> f64),
        ("latency p99", SERIES[1], |row| row.p99_us),
        ("throughput", SERIES[2], |row| row.throughput),
    ];
    let series = series.map(|(name, colour, value)| Series {
        name,
        colour,
        points: points.rows.iter().map(|rows| spread(rows, value)).collect(),
    });
    let entry = |one: &Series| {
        let side = if one.name == "throughput" { "right" } else { "left" };
        Entry { text: format!("{} ({side})", one.name), colour: one.colour, mark: Mark::Line }
    };
    let words = Words {
        title: title.map_or_else(
            || format!("Latency and throughput by {}", name_of(variable)),
            str::to_owned,
        ),
        caption: caption::of_rows(rows, variable),
        legend: series.iter().map(entry).collect(),
    };
    let (mut scene, panel) = frame::begin(&words);
    draw_series(&mut scene, &panel, &points, variable, &series);
    scene
}

fn draw_series(
    scene: &mut Scene,
    panel: &Panel,
    points: &Points<'_>,
    variable: &str,
    series: &[Series; 3],
) {
    let latencies: Vec<f64> = series[..2].iter().flat_map(|one| one.points.concat()).collect();
    let highest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let least = latencies.iter().copied().filter(|us| *us > 0.0).fold(f64::INFINITY, f64::min);
    let left = if highest(&latencies) > least * LOGARITHMIC_FROM {
        Scale::logarithmic(&latencies)
    } else {
        Scale::from_zero(highest(&latencies))
    };
    let right = Scale::from_zero(highest(&series[2].points.concat()));
    panel.value_axis(scene, Side::Left, &left, ("latency", BLACK), axis::time);
    let name = ("throughput in operations a second", SERIES[2]);
    panel.value_axis(scene, Side::Right, &right, name, axis::short);
    let places = below(scene, panel, points);
    panel.name_below(scene, name_of(variable));
    panel.outline(scene);
    for (one, (scale, shift)) in series.iter().zip([(&left, -APART), (&left, 0.0), (&right, APART)])
    {
        line(scene, panel, one, &places, scale, shift);
    }
}

/// The axis of what is varied; where its points are.
fn below(scene: &mut Scene, panel: &Panel, points: &Points<'_>) -> Vec<f64> {
    let Some(numbers) = &points.numbers else {
        let names: Vec<String> = points.names.iter().map(|name| (*name).to_owned()).collect();
        panel.names_below(scene, &names);
        #[expect(clippy::cast_precision_loss, reason = "a few points")]
        let share = |index: usize| (index as f64 + 0.5) / names.len() as f64;
        return (0..names.len()).map(|index| panel.x(share(index))).collect();
    };
    let scale = Scale::over(numbers);
    let place = |number: &f64| panel.x(INSET + (1.0 - 2.0 * INSET) * scale.place(*number));
    let places: Vec<f64> = numbers.iter().map(place).collect();
    let texts = points.names.iter().map(|name| (*name).to_owned());
    panel.marks_below(scene, &places.iter().copied().zip(texts).collect::<Vec<_>>());
    places
}

fn line(
    scene: &mut Scene,
    panel: &Panel,
    series: &Series,
    places: &[f64],
    scale: &Scale,
    shift: f64,
) {
    let y = |value: f64| panel.y(scale.place(value));
    let medians: Vec<(f64, f64)> = places
        .iter()
        .zip(&series.points)
        .map(|(x, [_, median, _])| (x + shift, y(*median)))
        .collect();
    scene.line(&medians, series.colour, 2.0);
    for ((x, middle), [least, _, most]) in medians.iter().zip(&series.points) {
        scene.dot((*x, *middle), 3.5, series.colour);
        if most > least {
            let (top, bottom) = (y(*most), y(*least));
            scene.line(&[(*x, top), (*x, bottom)], series.colour, 1.0);
            for end in [top, bottom] {
                scene.line(&[(x - 3.0, end), (x + 3.0, end)], series.colour, 1.0);
            }
        }
    }
}

fn points(rows: &[Row]) -> Points<'_> {
    let mut names: Vec<&str> = Vec::new();
    let mut by_name: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if !by_name.contains_key(row.point.as_str()) {
            names.push(&row.point);
        }
        by_name.entry(&row.point).or_default().push(row);
    }
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    let numbers = numbers.map(|numbers| {
        let mut both: Vec<(f64, &str)> = numbers.into_iter().zip(names.iter().copied()).collect();
        both.sort_by(|one, other| one.0.total_cmp(&other.0));
        names = both.iter().map(|(_, name)| *name).collect();
        both.into_iter().map(|(number, _)| number).collect()
    });
    let rows = names.iter().map(|name| by_name.remove(name).unwrap_or_default()).collect();
    Points { names, numbers, rows }
}

/// The lowest, the median and the highest.
fn spread(rows: &[&Row], value: fn(&Row) -> f64) -> [f64; 3] {
    let mut values: Vec<f64> = rows.iter().map(|row| value(row)).collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    let (last, half) = (values.len().saturating_sub(1), values.len() / 2);
    let median = f64::midpoint(at(half), at(last - half.min(last)));
    [at(0), median, at(last)]
}

fn name_of(variable: &str) -> &str {
    match variable {
        name if name == Variable::Clients.name() => "clients",
        name if name == Variable::Requests.name() => "requests",
        name if name == Variable::Mix.name() => "mix of operations",
        name if name == Variable::Pipeline.name() => "requests in a pipeline",
        name if name == Variable::ValueSize.name() => "value size in bytes",
        name if name == Variable::Rate.name() => "offered requests a second",
        name if name == Variable::Servers.name() => "servers",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::spread;
    use crate::row::Row;

    #[test]
    fn the_median_is_between_the_least_and_the_most() {
        let rows = [4.0, 1.0, 2.0].map(|p50_us| Row { p50_us, ..Row::default() });
        let of = |count: usize| spread(&rows.iter().take(count).collect::<Vec<_>>(), |r| r.p50_us);
        assert_eq!((of(3), of(2), of(1)), ([1.0, 2.0, 4.0], [1.0, 2.5, 4.0], [4.0, 4.0, 4.0]));
    }
}
