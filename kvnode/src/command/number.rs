//! Pure. Numbers as Redis reads and writes them.

/// Digits after the decimal point that a result of INCRBYFLOAT has at most.
const FRACTION_DIGITS: usize = 17;
/// One in the fixed-point form.
const ONE: i128 = 100_000_000_000_000_000;

/// A decimal number. It is exact where it has at most 17 digits after the point and some 20 before
/// it, so that 3 and 1.1 make 4.1; else it is the nearest double.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decimal {
    Exact(i128),
    Double(f64),
}

impl Decimal {
    pub(crate) const ZERO: Self = Self::Exact(0);

    /// What `strtold` takes as a whole, without NaN and without what is too large for a double.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let value: f64 = text.parse().ok()?;
        let is_too_large = value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit());
        if value.is_nan() || is_too_large {
            return None;
        }
        Some(parse_exact(text).map_or(Self::Double(value), Self::Exact))
    }

    /// The sum, or `None` where it is no finite number.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Some(Self::Exact(sum));
        }
        let sum = self.as_double() + other.as_double();
        sum.is_finite().then_some(Self::Double(sum))
    }

    #[allow(clippy::cast_precision_loss)]
    fn as_double(self) -> f64 {
        match self {
            Self::Exact(value) => value as f64 / ONE as f64,
            Self::Double(value) => value,
        }
    }
}

/// Without an exponent, without zeros at the end of the fraction.
impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Exact(value) => {
                let sign = if value < 0 { "-" } else { "" };
                let (one, value) = (ONE.unsigned_abs(), value.unsigned_abs());
                let (whole, fraction) = (value / one, value % one);
                let fraction = format!("{fraction:0FRACTION_DIGITS$}");
                match fraction.trim_end_matches('0') {
                    "" => write!(f, "{sign}{whole}"),
                    fraction => write!(f, "{sign}{whole}.{fraction}"),
                }
            }
            Self::Double(value) => {
                let text = format!("{value:.FRACTION_DIGITS$}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                write!(f, "{}", if text == "-0" { "0" } else { text })
            }
        }
    }
}

/// The number times 10^17, where that is a whole number that fits.
fn parse_exact(text: &str) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let digits = mantissa.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() > 60 {
        return None;
    }
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let scale = i32::try_from(FRACTION_DIGITS)
        .ok()?
        .checked_add(exponent)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let value = scaled(value, scale)?;
    Some(if negative { -value } else { value })
}

fn scaled(value: i128, scale: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
    if scale >= 0 {
        return value.checked_mul(factor);
    }
    (value % factor == 0).then_some(value / factor)
}
