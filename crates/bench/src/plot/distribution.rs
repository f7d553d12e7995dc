//! Pure. How many keys each server has, beside the mean.

use serde::{Deserialize, Serialize};

use super::axis::{self, Scale};
use super::font;
use super::frame::{self, Entry, Mark, Panel, SMALL_SIZE, Side, Words, dashes};
use super::scene::{Anchor, BLACK, SERIES, Scene, WHITE};

/// The most series beside each other: as many as there are colours.
pub const SERIES_MAX: usize = SERIES.len();

/// A row of the CSV: one bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistributionRow {
    /// What is compared, as `classic`.
    pub series: String,
    /// Whose keys.
    pub server: String,
    /// How many.
    pub keys: f64,
}

/// Draws at most [`SERIES_MAX`] series.
pub(crate) fn draw(rows: &[DistributionRow], caption: &str, title: Option<&str>) -> Scene {
    let series = in_order(rows.iter().map(|row| row.series.as_str()));
    let servers = in_order(rows.iter().map(|row| row.server.as_str()));
    let keys = |series: &str, server: &str| {
        let found = rows.iter().find(|row| row.series == series && row.server == server);
        found.map_or(0.0, |row| row.keys)
    };
    let means: Vec<f64> = series.iter().map(|name| mean(rows, name)).collect();
    let mut legend: Vec<Entry> = series
        .iter()
        .zip(&means)
        .zip(SERIES)
        .map(|((name, mean), colour)| {
            let most = servers.iter().map(|server| keys(name, server)).fold(0.0, f64::max);
            let ratio = if *mean > 0.0 { most / mean } else { 0.0 };
            let text = format!("{name} (most: {ratio:.2} × mean)");
            Entry { text, colour, mark: Mark::Area(1.0) }
        })
        .collect();
    let mut levels = means;
    levels.sort_by(f64::total_cmp);
    levels.dedup_by(|one, other| (*one - *other).abs() < 0.5);
    let texts: Vec<String> = levels.iter().map(|level| grouped(*level)).collect();
    let text = format!("mean: {} keys", texts.join(", "));
    legend.push(Entry { text, colour: BLACK, mark: Mark::Dashes });
    let words = Words {
        title: title.unwrap_or("Keys of each server").to_owned(),
        caption: caption.to_owned(),
        legend,
    };
    let (mut scene, panel) = frame::begin(&words);
    let panel = panel.without_right_axis();
    let highest = rows.iter().map(|row| row.keys).fold(0.0, f64::max);
    let scale = Scale::from_zero(highest * 1.05);
    panel.value_axis(&mut scene, Side::Left, &scale, ("keys", BLACK), axis::short);
    let values = |server: &&str| series.iter().map(|name| keys(name, server)).collect();
    let bars: Vec<Vec<f64>> = servers.iter().map(values).collect();
    draw_bars(&mut scene, &panel, &scale, &bars);
    for level in levels {
        dashes(&mut scene, (panel.left, panel.right), panel.y(scale.place(level)), BLACK);
    }
    panel.names_below(&mut scene, &servers.iter().map(|name| (*name).into()).collect::<Vec<_>>());
    panel.name_below(&mut scene, "server");
    panel.outline(&mut scene);
    scene
}

/// A group of bars for each server, with their values where there is room.
#[expect(clippy::cast_precision_loss, reason = "a few bars")]
fn draw_bars(scene: &mut Scene, panel: &Panel, scale: &Scale, groups: &[Vec<f64>]) {
    let part = (panel.right - panel.left) / groups.len().max(1) as f64;
    let count = groups.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let width = part * 0.8 / count as f64;
    let texts = groups.iter().flatten().map(|keys| font::width(&grouped(*keys), SMALL_SIZE));
    let is_room = texts.fold(0.0, f64::max) + 2.0 <= width;
    for (index, group) in groups.iter().enumerate() {
        let left = panel.left + part * (index as f64 + 0.1);
        for ((place, keys), colour) in group.iter().enumerate().zip(SERIES) {
            let x = left + width * place as f64;
            let top = panel.y(scale.place(*keys));
            scene.fill((x + 0.5, top), (x + width - 0.5, panel.bottom), colour, 1.0);
            if is_room {
                // At the foot, where no line for the mean crosses it.
                let at = (x + width / 2.0, panel.bottom - 10.0);
                scene.text(&grouped(*keys), at, SMALL_SIZE, Anchor::Middle, WHITE);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few servers")]
fn mean(rows: &[DistributionRow], series: &str) -> f64 {
    let keys: Vec<f64> =
        rows.iter().filter(|row| row.series == series).map(|row| row.keys).collect();
    keys.iter().sum::<f64>() / keys.len().max(1) as f64
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// A whole number with commas.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
