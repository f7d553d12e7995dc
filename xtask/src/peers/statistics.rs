//! Pure. The few figures that a table shows of several rounds.

/// The smallest, the middle and the largest.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    /// The smallest.
    pub(crate) min: f64,
    /// The middle; of an even number the mean of the two in the middle.
    pub(crate) median: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// `None` where there are no values, or one is not a number.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        if values.iter().any(|value| value.is_nan()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self { min, median: f64::midpoint(lower, upper), max })
    }
}

/// The middle of the values; not a number where there are none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(values).map_or(f64::NAN, |spread| spread.median)
}

/// The value below which the share of all values lies, nearest rank; sorts them. 0 for none.
pub(crate) fn percentile(values: &mut [u32], share: f64) -> u32 {
    values.sort_unstable();
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], expected: Option<(f64, f64, f64)>) {
        let expected = expected.map(|(min, median, max)| Spread { min, median, max });
        assert_eq!(Spread::of(values.iter().copied()), expected, "{values:?}");
    }

    #[test]
    fn a_spread_is_of_the_sorted_values() {
        check(&[], None);
        check(&[f64::NAN, 1.0], None);
        check(&[2.0], Some((2.0, 2.0, 2.0)));
        check(&[3.0, 1.0], Some((1.0, 2.0, 3.0)));
        check(&[5.0, 1.0, 2.0, 9.0, 3.0], Some((1.0, 3.0, 9.0)));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut hundred: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut hundred, 0.5), 50);
        assert_eq!(percentile(&mut hundred, 0.99), 99);
        assert_eq!(percentile(&mut hundred, 1.0), 100);
        assert_eq!(percentile(&mut [], 0.99), 0);
    }
}
