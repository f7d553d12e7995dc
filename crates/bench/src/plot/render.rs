//! Pure. A scene as an SVG or as a PNG. Neither depends on what the machine has installed.

use std::convert::Infallible;

use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, FontFamily,
    FontTransform,
};
use plotters_bitmap::BitMapBackend;
use plotters_svg::SVGBackend;

use super::font::{FAMILY, Line};
use super::scene::{Anchor, Colour, Scene, Shape, Text, WHITE};

/// Pixels of the PNG for one of the scene.
const PNG_SCALE: u32 = 2;
/// What is drawn for one pixel of the PNG, in each direction: edges become smooth.
const SAMPLES: u32 = 2;
/// An SVG's font is `size / 1.24` to its backend.
const SVG_SIZE: f64 = 1.24;

/// Why a chart cannot be drawn: a bug.
#[derive(Debug, thiserror::Error)]
#[error("the chart cannot be drawn: {0}; please report it")]
pub struct RenderError(String);

/// The scene as the text of an SVG file.
pub(crate) fn svg(scene: &Scene) -> Result<String, RenderError> {
    let mut text = String::new();
    let mut backend = SVGBackend::with_string(&mut text, size(scene, 1));
    let white = Stroke { colour: WHITE, opacity: 1.0, width: 1 };
    let whole = (pixel(scene.width), pixel(scene.height));
    backend.draw_rect((0, 0), whole, &white, true).map_err(|error| failed(&error))?;
    draw(scene, 1.0, &mut backend)?;
    drop(backend);
    Ok(text)
}

/// The scene as the bytes of a PNG file.
pub(crate) fn png(scene: &Scene) -> Result<Vec<u8>, RenderError> {
    let scale = PNG_SCALE * SAMPLES;
    let (wide, high) = size(scene, scale);
    // White, as paper.
    let mut fine = vec![u8::MAX; 3 * wide as usize * high as usize];
    draw(scene, f64::from(scale), &mut BitMapBackend::with_buffer(&mut fine, (wide, high)))?;
    let pixels = shrink(&fine, wide as usize, high as usize);
    encode(&pixels, wide / SAMPLES, high / SAMPLES).map_err(|error| RenderError(error.to_string()))
}

fn size(scene: &Scene, scale: u32) -> (u32, u32) {
    let pixels = |length: f64| pixel(length.ceil()).unsigned_abs() * scale;
    (pixels(scene.width), pixels(scene.height))
}

/// One pixel of the means of each square of samples.
fn shrink(fine: &[u8], wide: usize, high: usize) -> Vec<u8> {
    let samples = SAMPLES as usize;
    let mut pixels = Vec::with_capacity(fine.len() / samples / samples);
    for y in (0..high).step_by(samples) {
        for x in (0..wide).step_by(samples) {
            for channel in 0..3 {
                let square = (0..samples * samples).map(|sample| {
                    let (right, down) = (sample % samples, sample / samples);
                    let at = 3 * ((y + down) * wide + x + right) + channel;
                    u32::from(fine.get(at).copied().unwrap_or(u8::MAX))
                });
                pixels.push((square.sum::<u32>() / (SAMPLES * SAMPLES)) as u8);
            }
        }
    }
    pixels
}

fn encode(pixels: &[u8], wide: u32, high: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, wide, high);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn draw<B: DrawingBackend>(scene: &Scene, scale: f64, backend: &mut B) -> Result<(), RenderError> {
    let at = |(x, y): (f64, f64)| (pixel(x * scale), pixel(y * scale));
    for shape in &scene.shapes {
        let drawn = match shape {
            Shape::Box { from, to, colour, opacity } => {
                let style = Stroke { colour: *colour, opacity: *opacity, width: 1 };
                backend.draw_rect(at(*from), at(*to), &style, true)
            }
            Shape::Line { points, colour, width } => {
                let width = pixel(width * scale).max(1).unsigned_abs();
                let style = Stroke { colour: *colour, opacity: 1.0, width };
                backend.draw_path(points.iter().map(|point| at(*point)), &style)
            }
            Shape::Dot { centre, radius, colour } => {
                let style = Stroke { colour: *colour, opacity: 1.0, width: 1 };
                let radius = pixel(radius * scale).unsigned_abs();
                backend.draw_circle(at(*centre), radius, &style, true)
            }
            Shape::Text(text) => {
                let style = Letters { text, scale };
                backend.draw_text(&text.text, &style, at(text.at))
            }
        };
        drawn.map_err(|error| failed(&error))?;
    }
    backend.present().map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> RenderError {
    RenderError(error.to_string())
}

#[expect(clippy::cast_possible_truncation, reason = "charts are small")]
fn pixel(length: f64) -> i32 {
    length.round() as i32
}

struct Stroke {
    colour: Colour,
    opacity: f64,
    width: u32,
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        BackendColor { alpha: self.opacity, rgb: self.colour }
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

struct Letters<'a> {
    text: &'a Text,
    scale: f64,
}

impl Letters<'_> {
    fn line(&self) -> Option<Line> {
        Line::new(self.text.size * self.scale)
    }
}

impl BackendTextStyle for Letters<'_> {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        BackendColor { alpha: 1.0, rgb: self.text.colour }
    }

    fn size(&self) -> f64 {
        self.text.size * self.scale * SVG_SIZE
    }

    fn transform(&self) -> FontTransform {
        if self.text.upright { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn anchor(&self) -> Pos {
        let h_pos = match self.text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        Pos { h_pos, v_pos: VPos::Center }
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        let sizes = self.line().map_or((0.0, 0.0), |line| (line.width(text), line.capital()));
        Ok(((0, 0), (pixel(sizes.0), pixel(sizes.1))))
    }

    fn draw<E, D: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, top): BackendCoord,
        mut draw: D,
    ) -> Result<Result<(), E>, Infallible> {
        let mut result = Ok(());
        if let Some(line) = self.line() {
            line.draw(text, |x, y, cover| {
                let colour = BackendColor { alpha: cover, rgb: self.text.colour };
                if result.is_ok() {
                    result = draw(left + x, top + y, colour);
                }
            });
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Anchor, BLACK, SERIES, Scene};
    use super::{png, svg};

    fn scene() -> Scene {
        let mut scene = Scene::new(120.0, 40.0);
        scene.fill((10.0, 10.0), (30.0, 30.0), SERIES[0], 1.0);
        scene.line(&[(40.0, 10.0), (60.0, 30.0)], SERIES[1], 2.0);
        scene.dot((70.0, 20.0), 3.0, SERIES[2]);
        scene.text("a < b", (80.0, 20.0), 12.0, Anchor::Start, BLACK);
        scene
    }

    #[test]
    fn an_svg_is_always_the_same() {
        insta::assert_snapshot!(svg(&scene()).expect("an svg"));
    }

    #[test]
    fn a_png_has_the_colours_of_the_scene() {
        let bytes = png(&scene()).expect("a png");
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().expect("png");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        assert_eq!((info.width, info.height), (240, 80));
        let at = |x: usize, y: usize| {
            let start = 3 * (y * 240 + x);
            (pixels[start], pixels[start + 1], pixels[start + 2])
        };
        assert_eq!((at(40, 40), at(140, 40), at(2, 2)), (SERIES[0], SERIES[2], (255, 255, 255)));
        let dark = (160..230).filter(|x| at(*x, 40).0 < 128).count();
        assert!(dark > 3, "letters");
        assert_eq!(png(&scene()).expect("a png"), bytes);
    }
}
