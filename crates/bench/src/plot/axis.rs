//! Pure. Scales: values to places, and where the marks are.

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// Values that span more than so many times are shown on a logarithmic scale.
const LOGARITHMIC_FROM: f64 = 20.0;
/// The most marks of a linear scale.
const MARKS_MAX: f64 = 7.0;

impl Scale {
    /// From 0 to a bit more than the highest.
    pub(crate) fn from_zero(highest: f64) -> Self {
        let high = if highest > 0.0 { highest * 1.05 } else { 1.0 };
        Self { low: 0.0, high, logarithmic: false }
    }

    /// Over values to be told apart: logarithmic where the largest is many times the smallest.
    pub(crate) fn over(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let logarithmic = low > 0.0 && high > low * LOGARITHMIC_FROM;
        if high > low { Self { low, high, logarithmic } } else { Self::around(low) }
    }

    /// Over positive values on a logarithmic scale, with room on either side.
    pub(crate) fn logarithmic(values: &[f64]) -> Self {
        let positive = || values.iter().copied().filter(|value| *value > 0.0);
        let low = positive().fold(f64::INFINITY, f64::min);
        let high = positive().fold(f64::NEG_INFINITY, f64::max);
        if high >= low {
            Self { low: low / 1.3, high: high * 1.3, logarithmic: true }
        } else {
            Self { low: 1.0, high: 10.0, logarithmic: true }
        }
    }

    /// Exactly these bounds.
    pub(crate) fn between(low: f64, high: f64) -> Self {
        if high > low { Self { low, high, logarithmic: false } } else { Self::around(low) }
    }

    fn around(value: f64) -> Self {
        let value = if value.is_finite() { value } else { 0.0 };
        Self { low: value - 1.0, high: value + 1.0, logarithmic: false }
    }

    /// Where the value is, with 0 at the low end and 1 at the high one.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// Round values for marks.
    pub(crate) fn marks(&self) -> Vec<f64> {
        if self.logarithmic { self.logarithmic_marks() } else { self.linear_marks() }
    }

    fn linear_marks(&self) -> Vec<f64> {
        let raw = (self.high - self.low) / MARKS_MAX;
        let power = 10_f64.powf(raw.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| *step >= raw).unwrap_or(raw);
        let first = (self.low / step).ceil();
        (0..=20_u8)
            .map(|n| (first + f64::from(n)) * step)
            .take_while(|mark| *mark <= self.high + step * 1e-9)
            .collect()
    }

    /// 1, 2 and 5 of each power of ten; only the powers where that would be too many.
    fn logarithmic_marks(&self) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor(), self.high.log10().ceil());
        let within = |mark: &f64| (self.low..=self.high).contains(mark);
        let powers = (0..=30_u8).map(|n| first + f64::from(n)).take_while(|power| *power <= last);
        let steps: &[f64] = if last - first > 4.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        powers
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powf(power)))
            .filter(within)
            .collect()
    }
}

/// A number as short as it can be read: `1.5 k`, `20 M`, `0.25`.
pub(crate) fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, " G"),
        size if size >= 1e6 => (value / 1e6, " M"),
        size if size >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = if scaled.abs() >= 100.0 { 0 } else { 2 };
    let text = format!("{scaled:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

/// Microseconds with the unit that fits.
pub(crate) fn time(micros: f64) -> String {
    match micros {
        us if us >= 1e6 => format!("{} s", short(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", short(us / 1e3)),
        us => format!("{} µs", short(us)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Scale, short, time};

    #[test]
    fn wide_values_are_logarithmic_and_narrow_ones_linear() {
        let narrow = Scale::over(&[1.0, 20.0]);
        assert!((narrow.place(10.5) - 0.5).abs() < 1e-9);
        let wide = Scale::over(&[1.0, 100.0]);
        assert!((wide.place(10.0) - 0.5).abs() < 1e-9);
        assert!((Scale::over(&[5.0]).place(5.0) - 0.5).abs() < 1e-9);
        assert!(!Scale::over(&[]).marks().is_empty());
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(Scale::from_zero(100.0).marks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(Scale::logarithmic(&[10.0, 150.0]).marks(), [10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [0.0, 0.25, 7.0, 1_500.0, 15_000.0, 150_000.0, 2.5e6];
        assert_eq!(cases.map(short), ["0", "0.25", "7", "1500", "15 k", "150 k", "2.5 M"]);
        assert_eq!([50.0, 1_500.0, 2e6].map(time), ["50 µs", "1.5 ms", "2 s"]);
    }

    proptest! {
        #[test]
        fn marks_are_few_and_within(low in 0.001..1e6, factor in 1.0..1e6) {
            for scale in [Scale::over(&[low, low * factor]), Scale::from_zero(low * factor)] {
                let marks = scale.marks();
                prop_assert!(marks.len() <= 16, "{marks:?}");
                prop_assert!(marks.iter().all(|mark| (0.0..=1.0).contains(&scale.place(*mark))));
            }
        }
    }
}
