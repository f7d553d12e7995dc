//! Pure. The font of charts: DejaVu Sans, which is part of the program.

use ab_glyph::{Font, FontRef, PxScale, PxScaleFont, ScaleFont};

/// As it is named in an SVG, where the reader's own font is used.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// Height of a capital letter, of the font's size.
const CAPITAL: f64 = 0.73;

/// A line of text at a size.
pub(crate) struct Line {
    font: PxScaleFont<FontRef<'static>>,
    size: f64,
}

impl Line {
    /// Of a font of this size, in pixels. `None` if the font in the program is damaged.
    pub(crate) fn new(size: f64) -> Option<Self> {
        let font = FontRef::try_from_slice(dejavu::sans::regular()).ok()?;
        let em = font.height_unscaled() / font.units_per_em()?;
        #[expect(clippy::cast_possible_truncation, reason = "sizes of fonts are small")]
        let scale = PxScale::from(size as f32 * em);
        Some(Self { font: font.into_scaled(scale), size })
    }

    /// Width in pixels.
    pub(crate) fn width(&self, text: &str) -> f64 {
        self.places(text).1
    }

    /// Height of its capitals in pixels.
    pub(crate) fn capital(&self) -> f64 {
        self.size * CAPITAL
    }

    /// Calls back for each pixel that the text touches, with how much of it. The text begins at
    /// the left, and its capitals reach from 0 down to their height.
    pub(crate) fn draw(&self, text: &str, mut pixel: impl FnMut(i32, i32, f64)) {
        for (letter, x) in self.places(text).0 {
            let mut glyph = self.font.scaled_glyph(letter);
            #[expect(clippy::cast_possible_truncation, reason = "within an image")]
            let at = (x as f32, self.capital() as f32);
            glyph.position = ab_glyph::point(at.0, at.1);
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, cover| {
                #[expect(clippy::cast_possible_truncation, reason = "within an image")]
                let (left, top) = (corner.x as i32, corner.y as i32);
                pixel(left + x.cast_signed(), top + y.cast_signed(), f64::from(cover.min(1.0)));
            });
        }
    }

    /// Where each letter begins, and where the text ends.
    fn places(&self, text: &str) -> (Vec<(char, f64)>, f64) {
        let (mut places, mut x, mut before) = (Vec::new(), 0.0, None);
        for letter in text.chars() {
            let glyph = self.font.glyph_id(letter);
            if let Some(before) = before.replace(glyph) {
                x += f64::from(self.font.kern(before, glyph));
            }
            places.push((letter, x));
            x += f64::from(self.font.h_advance(glyph));
        }
        (places, x)
    }
}

/// Width of a text in pixels.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    Line::new(size).map_or(0.0, |line| line.width(text))
}

#[cfg(test)]
mod tests {
    use super::{Line, width};

    #[test]
    fn text_has_a_width_and_pixels_within_it() {
        let line = Line::new(20.0).expect("the font");
        let wide = line.width("throughput");
        assert!((90.0..130.0).contains(&wide), "{wide}");
        assert!(width("throughput", 10.0) < wide);
        let (mut left, mut right, mut top, mut bottom) = (i32::MAX, 0, i32::MAX, 0);
        line.draw("HIM", |x, y, cover| {
            if cover > 0.5 {
                (left, right) = (left.min(x), right.max(x));
                (top, bottom) = (top.min(y), bottom.max(y));
            }
        });
        assert!(left >= 0 && f64::from(right) <= line.width("HIM"));
        assert!(
            top.abs() <= 1 && (f64::from(bottom) - line.capital()).abs() <= 1.5,
            "{top} {bottom}"
        );
    }
}
