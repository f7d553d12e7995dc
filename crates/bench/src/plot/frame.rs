//! Pure. What all charts have around them: title, legend, axes, caption.

use super::axis::Scale;
use super::font;
use super::scene::{Anchor, BLACK, Colour, GREY, LIGHT, Scene};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 560.0;
/// Room for an axis with its marks and its name.
const SIDE: f64 = 92.0;
const EDGE: f64 = 16.0;
const TITLE_SIZE: f64 = 18.0;
const TEXT_SIZE: f64 = 13.0;
pub(crate) const SMALL_SIZE: f64 = 11.0;
const LEGEND_LINE: f64 = 22.0;
const CAPTION_LINE: f64 = 16.0;
/// From the bottom of the plot to the end of its axis' name.
const BELOW: f64 = 62.0;
/// The least room between two marks' texts.
const GAP: f64 = 8.0;

/// What is to be said about a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Words {
    pub(crate) title: String,
    pub(crate) caption: String,
    pub(crate) legend: Vec<Entry>,
}

/// One entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) colour: Colour,
    pub(crate) mark: Mark,
}

/// How an entry of the legend looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mark {
    Line,
    Dashes,
    Area(f64),
}

/// A rectangle in which values are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Panel {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

/// Which side an axis is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The scene with its words, and the room that is left.
pub(crate) fn begin(words: &Words) -> (Scene, Panel) {
    let mut scene = Scene::new(WIDTH, HEIGHT);
    let title = fit(&words.title, TITLE_SIZE, WIDTH - 2.0 * EDGE);
    scene.text(&title, (EDGE, 26.0), TITLE_SIZE, Anchor::Start, BLACK);
    let top = legend(&mut scene, &words.legend);
    let lines = wrap(&words.caption, SMALL_SIZE, WIDTH - 2.0 * EDGE);
    #[expect(clippy::cast_precision_loss, reason = "a few lines")]
    let caption_top = HEIGHT - EDGE - CAPTION_LINE * (lines.len() as f64 - 0.5);
    let mut y = caption_top;
    for line in &lines {
        scene.text(line, (EDGE, y), SMALL_SIZE, Anchor::Start, GREY);
        y += CAPTION_LINE;
    }
    let bottom = caption_top - CAPTION_LINE - BELOW;
    (scene, Panel { left: SIDE, right: WIDTH - SIDE, top, bottom })
}

/// Draws the legend in as many lines as it needs; where it ends.
fn legend(scene: &mut Scene, entries: &[Entry]) -> f64 {
    const SAMPLE: f64 = 26.0;
    let (mut x, mut y) = (EDGE, 54.0);
    for entry in entries {
        let width = SAMPLE + 6.0 + font::width(&entry.text, TEXT_SIZE);
        if x > EDGE && x + width > WIDTH - EDGE {
            (x, y) = (EDGE, y + LEGEND_LINE);
        }
        match entry.mark {
            Mark::Line => scene.line(&[(x, y), (x + SAMPLE, y)], entry.colour, 2.0),
            Mark::Dashes => dashes(scene, (x, x + SAMPLE), y, entry.colour),
            Mark::Area(opacity) => {
                scene.fill((x + 6.0, y - 6.0), (x + SAMPLE, y + 6.0), entry.colour, opacity);
            }
        }
        let at = (x + SAMPLE + 6.0, y);
        scene.text(&entry.text, at, TEXT_SIZE, Anchor::Start, BLACK);
        x += width + 22.0;
    }
    if entries.is_empty() { 54.0 } else { y + 24.0 }
}

/// A horizontal line of dashes.
pub(crate) fn dashes(scene: &mut Scene, (from, to): (f64, f64), y: f64, colour: Colour) {
    let mut x = from;
    while x < to {
        scene.line(&[(x, y), ((x + 6.0).min(to), y)], colour, 1.5);
        x += 10.0;
    }
}

impl Panel {
    /// The same, and the room of the axis that it does not have.
    pub(crate) const fn without_right_axis(self) -> Self {
        Self { right: WIDTH - 2.0 * EDGE, ..self }
    }

    /// Where a share of the width is.
    pub(crate) fn x(&self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }

    /// Where a share of the height is, from below.
    pub(crate) fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }

    /// The outline, over the areas and below the lines.
    pub(crate) fn outline(&self, scene: &mut Scene) {
        let Self { left, right, top, bottom } = *self;
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        scene.line(&corners, GREY, 1.0);
    }

    /// An axis of values with its marks; lines across the panel from the left one.
    pub(crate) fn value_axis(
        &self,
        scene: &mut Scene,
        side: Side,
        scale: &Scale,
        (name, colour): (&str, Colour),
        write: impl Fn(f64) -> String,
    ) {
        let (edge, out, anchor) = match side {
            Side::Left => (self.left, -1.0, Anchor::End),
            Side::Right => (self.right, 1.0, Anchor::Start),
        };
        let mut last = f64::INFINITY;
        for mark in scale.marks() {
            let y = self.y(scale.place(mark));
            if side == Side::Left {
                scene.line(&[(self.left, y), (self.right, y)], LIGHT, 1.0);
            }
            scene.line(&[(edge, y), (edge + 5.0 * out, y)], GREY, 1.0);
            if last - y >= SMALL_SIZE + 4.0 {
                scene.text(&write(mark), (edge + 9.0 * out, y), SMALL_SIZE, anchor, BLACK);
                last = y;
            }
        }
        let middle = f64::midpoint(self.top, self.bottom);
        scene.upright(name, (edge + (SIDE - EDGE) * out, middle), TEXT_SIZE, colour);
    }

    /// Marks below the panel, from left to right; those whose text has no room have none.
    pub(crate) fn marks_below(&self, scene: &mut Scene, marks: &[(f64, String)]) {
        let mut end = f64::NEG_INFINITY;
        for (x, text) in marks {
            scene.line(&[(*x, self.bottom), (*x, self.bottom + 5.0)], GREY, 1.0);
            let width = font::width(text, SMALL_SIZE);
            if x - width / 2.0 >= end + GAP {
                scene.text(text, (*x, self.bottom + 15.0), SMALL_SIZE, Anchor::Middle, BLACK);
                end = x + width / 2.0;
            }
        }
    }

    /// Names below the panel, each within its part of the width, in two lines if need be.
    pub(crate) fn names_below(&self, scene: &mut Scene, names: &[String]) {
        #[expect(clippy::cast_precision_loss, reason = "a few names")]
        let part = (self.right - self.left) / names.len().max(1) as f64;
        let mut x = self.left + part / 2.0;
        for name in names {
            for (line, y) in two_lines(name, part - GAP).iter().zip([15.0, 29.0]) {
                scene.text(line, (x, self.bottom + y), SMALL_SIZE, Anchor::Middle, BLACK);
            }
            x += part;
        }
    }

    /// The name of the axis below.
    pub(crate) fn name_below(&self, scene: &mut Scene, name: &str) {
        let at = (f64::midpoint(self.left, self.right), self.bottom + 48.0);
        scene.text(name, at, TEXT_SIZE, Anchor::Middle, BLACK);
    }
}

/// The name in one line or two, cut where that is not enough.
fn two_lines(name: &str, room: f64) -> Vec<String> {
    if font::width(name, SMALL_SIZE) <= room {
        return vec![name.to_owned()];
    }
    let breaks = name.char_indices().filter(|(_, letter)| matches!(letter, ',' | '-' | ' ' | '_'));
    let middle = name.len() / 2;
    match breaks.map(|(at, _)| at + 1).min_by_key(|at| at.abs_diff(middle)) {
        Some(at) => {
            let (first, second) = name.split_at(at);
            vec![fit(first.trim(), SMALL_SIZE, room), fit(second.trim(), SMALL_SIZE, room)]
        }
        None => vec![fit(name, SMALL_SIZE, room)],
    }
}

/// The text, cut where it would be wider.
fn fit(text: &str, size: f64, room: f64) -> String {
    if font::width(text, size) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for letter in text.chars() {
        cut.push(letter);
        if font::width(&format!("{cut}…"), size) > room {
            cut.pop();
            break;
        }
    }
    format!("{cut}…")
}

/// The text in lines of this width, broken at spaces.
fn wrap(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if line.is_empty() || font::width(&longer, size) <= room {
            *line = longer;
        } else {
            lines.push(word.to_owned());
        }
    }
    // A separator at a line's end or begin separates nothing.
    let bare = |line: &String| line.trim_matches(['·', ' ']).to_owned();
    lines.iter().map(bare).map(|line| fit(&line, size, room)).collect()
}
