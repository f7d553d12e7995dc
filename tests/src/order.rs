//! Pure. Operations whose order is known, and whether the times of their calls and answers allow
//! that order.

/// When an operation was called and when its answer was there ([`u64::MAX`] where none came).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The call.
    pub called: u64,
    /// The answer.
    pub answered: u64,
}

/// The first operation, by its index, that had been answered before one called that comes earlier
/// in the order; with the index of that one.
#[must_use]
pub fn inversion(spans: impl IntoIterator<Item = Span>) -> Option<(usize, usize)> {
    let (mut latest, mut latest_index) = (0, 0);
    for (index, span) in spans.into_iter().enumerate() {
        if span.answered < latest {
            return Some((index, latest_index));
        }
        if span.called > latest {
            (latest, latest_index) = (span.called, index);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spans: &[(u64, u64)]) -> Option<(usize, usize)> {
        inversion(spans.iter().map(|&(called, answered)| Span { called, answered }))
    }

    #[test]
    fn only_what_was_answered_before_the_call_of_another_must_come_before_it() {
        assert_eq!(check(&[(1, 2), (3, 4), (5, 6)]), None);
        assert_eq!(check(&[(1, 9), (2, 3), (4, 5)]), None);
        assert_eq!(check(&[(4, 5), (1, 4)]), None);
        assert_eq!(check(&[(4, 5), (1, 3)]), Some((1, 0)));
        assert_eq!(check(&[(4, 5), (6, u64::MAX), (1, 5)]), Some((2, 1)));
    }
}
