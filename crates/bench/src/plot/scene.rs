//! Pure. A drawing as a list of shapes, in pixels from the upper left.

/// A colour: red, green, blue.
pub(crate) type Colour = (u8, u8, u8);

pub(crate) const WHITE: Colour = (0xff, 0xff, 0xff);
pub(crate) const BLACK: Colour = (0x22, 0x22, 0x22);
pub(crate) const GREY: Colour = (0x66, 0x66, 0x66);
pub(crate) const LIGHT: Colour = (0xdd, 0xdd, 0xdd);
/// Told apart by people who see few colours, too (Okabe and Ito).
pub(crate) const SERIES: [Colour; 6] = [
    (0x00, 0x72, 0xb2),
    (0xd5, 0x5e, 0x00),
    (0x00, 0x9e, 0x73),
    (0xcc, 0x79, 0xa7),
    (0xe6, 0x9f, 0x00),
    (0x56, 0xb4, 0xe9),
];

/// Where a text is, seen from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// What is drawn, the first below the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Box { from: (f64, f64), to: (f64, f64), colour: Colour, opacity: f64 },
    Line { points: Vec<(f64, f64)>, colour: Colour, width: f64 },
    Dot { centre: (f64, f64), radius: f64, colour: Colour },
    Text(Text),
}

/// A line of text, centred vertically on its point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) at: (f64, f64),
    /// Size of the font in pixels.
    pub(crate) size: f64,
    pub(crate) anchor: Anchor,
    /// Read from below.
    pub(crate) upright: bool,
    pub(crate) colour: Colour,
}

/// A drawing of this size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

impl Scene {
    pub(crate) const fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    pub(crate) fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) {
        self.shapes.push(Shape::Line { points: points.to_vec(), colour, width });
    }

    pub(crate) fn fill(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour, opacity: f64) {
        self.shapes.push(Shape::Box { from, to, colour, opacity });
    }

    pub(crate) fn dot(&mut self, centre: (f64, f64), radius: f64, colour: Colour) {
        self.shapes.push(Shape::Dot { centre, radius, colour });
    }

    pub(crate) fn text(
        &mut self,
        text: &str,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: Colour,
    ) {
        let text = text.to_owned();
        self.shapes.push(Shape::Text(Text { text, at, size, anchor, upright: false, colour }));
    }

    pub(crate) fn upright(&mut self, text: &str, at: (f64, f64), size: f64, colour: Colour) {
        let (text, anchor) = (text.to_owned(), Anchor::Middle);
        self.shapes.push(Shape::Text(Text { text, at, size, anchor, upright: true, colour }));
    }
}
