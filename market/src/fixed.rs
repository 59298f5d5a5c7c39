//! Exact fixed-point numbers: an `i64` of 10^-scale units (10^-9 unless the instrument says otherwise).
//!
//! Decimal text parses and prints exactly. What does not fit, in digits or in range, is refused and
//! never rounded. Sums are kept in `i128`, so that what was added can be taken away again.

use std::fmt;

/// Decimal digits behind the point of a raw value: `raw * 10^-scale`. 0 to 18, 9 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scale(u8);

/// 10^0 to 10^18.
pub const POWERS: [i64; 19] = {
    let mut powers = [1i64; 19];
    let mut k = 1;
    while k < 19 {
        powers[k] = powers[k - 1] * 10;
        k += 1;
    }
    powers
};

impl Scale {
    /// Nine digits, the scale of everything that has no scale of its own.
    pub const NANO: Scale = Scale(9);

    /// A scale of `digits`, unless there are more than 18.
    pub fn new(digits: u8) -> Option<Self> {
        (digits <= 18).then_some(Scale(digits))
    }

    /// Decimal digits behind the point.
    #[inline]
    pub const fn digits(self) -> u8 {
        self.0
    }

    /// Raw units in one whole: 10^digits.
    #[inline]
    pub const fn unit(self) -> i64 {
        POWERS[self.0 as usize]
    }
}

impl Default for Scale {
    fn default() -> Self {
        Scale::NANO
    }
}

/// Why a number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// The text is empty.
    #[error("empty where a decimal number was wanted")]
    Empty,
    /// The text is not a decimal number.
    #[error("not a decimal number")]
    Malformed,
    /// There are more digits behind the point than the scale holds.
    #[error("more decimals than the scale of {0} holds")]
    Inexact(u8),
    /// The number does not fit 64 bits at its scale.
    #[error("too large for 64 bits at a scale of {0}")]
    Overflow(u8),
}

/// Parses decimal text (`-12.5`, `3`, `.5`, `1e-3`, `1.5E2`) to raw units of `scale`, exactly.
///
/// # Errors
/// Refuses what is not a number, what has more decimals than the scale, and what does not fit.
/// Trailing zeros beyond the scale are not digits: `1.0000000000000` fits any scale.
#[inline]
pub fn parse_fixed(text: &[u8], scale: Scale) -> Result<i64, FixedError> {
    let (negative, digits) = match text {
        [] => return Err(FixedError::Empty),
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    match parse_short(digits, scale) {
        Some(raw) => Ok(if negative { -raw } else { raw }),
        None => parse_long(digits, negative, scale),
    }
}

/// The common case: at most 18 digits in all, at most `scale` of them behind one point.
#[inline]
fn parse_short(text: &[u8], scale: Scale) -> Option<i64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    let mut value: u64 = 0;
    let mut point = text.len();
    for (at, &byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point == text.len() && text.len() > 1 {
            point = at;
        } else {
            return None;
        }
    }
    let digits = text.len() - usize::from(point < text.len());
    let decimals = text.len().saturating_sub(point + 1);
    if digits > 18 || decimals > usize::from(scale.0) {
        return None;
    }
    i64::try_from(value).ok()?.checked_mul(POWERS[usize::from(scale.0) - decimals])
}

/// Everything else: exponents, many zeros, many digits, and the reasons for refusal.
#[cold]
fn parse_long(text: &[u8], negative: bool, scale: Scale) -> Result<i64, FixedError> {
    let (mantissa, exponent) = split_exponent(text)?;
    let point = mantissa.iter().position(|&b| b == b'.').unwrap_or(mantissa.len());
    let (whole, fraction) = (&mantissa[..point], mantissa.get(point + 1..).unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() {
        return Err(FixedError::Malformed);
    }
    let mut value: i128 = 0;
    let mut shift = i64::from(scale.0) + exponent - fraction.len() as i64;
    let mut trailing_zeros: i64 = 0;
    for &byte in whole.iter().chain(fraction) {
        match byte {
            b'0' => trailing_zeros += 1,
            b'1'..=b'9' => {
                value = scaled(value, trailing_zeros + 1).ok_or(FixedError::Overflow(scale.0))?;
                value += i128::from(byte - b'0');
                trailing_zeros = 0;
            }
            _ => return Err(FixedError::Malformed),
        }
    }
    if value == 0 {
        return Ok(0);
    }
    shift += trailing_zeros;
    if shift < 0 {
        return Err(FixedError::Inexact(scale.0));
    }
    let value = scaled(value, shift).ok_or(FixedError::Overflow(scale.0))?;
    i64::try_from(if negative { -value } else { value }).map_err(|_| FixedError::Overflow(scale.0))
}

/// `value * 10^digits`, unless it leaves 64 bits by far.
fn scaled(value: i128, digits: i64) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let scaled = value.checked_mul(10i128.checked_pow(u32::try_from(digits).ok()?)?)?;
    (scaled <= 1 << 64).then_some(scaled)
}

fn split_exponent(text: &[u8]) -> Result<(&[u8], i64), FixedError> {
    let Some(at) = text.iter().position(|b| matches!(b, b'e' | b'E')) else {
        return Ok((text, 0));
    };
    let exponent = std::str::from_utf8(&text[at + 1..])
        .ok()
        .and_then(|digits| digits.parse::<i16>().ok())
        .ok_or(FixedError::Malformed)?;
    Ok((&text[..at], i64::from(exponent)))
}

/// The decimal whose nearest double is `value`, in raw units of `scale`: how prices are read from
/// formats that only have doubles.
///
/// # Errors
/// Refuses NaN, infinities, what does not fit, and a double that no decimal of this scale is nearest to.
#[inline]
pub fn raw_from_f64(value: f64, scale: Scale) -> Result<i64, FixedError> {
    let unit = scale.unit() as f64;
    // Rounded by the conversion to an integer: without a call, and what it finds is checked.
    let product = value * unit;
    let raw = (product + 0.5f64.copysign(product)) as i64;
    let whole = raw as f64;
    // Below 2^52 no two decimals of the scale share a double, and the quotient is correctly rounded.
    if whole.abs() < 4_503_599_627_370_496.0 && whole / unit == value {
        return Ok(raw);
    }
    raw_by_text(value, scale)
}

#[cold]
fn raw_by_text(value: f64, scale: Scale) -> Result<i64, FixedError> {
    if !value.is_finite() {
        return Err(FixedError::Malformed);
    }
    // The shortest decimal that reads back as the same double.
    parse_fixed(value.to_string().as_bytes(), scale)
}

/// A raw value with its scale, for printing: exact, no trailing zeros, never an exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Raw units of 10^-scale.
    pub raw: i128,
    /// Digits behind the point.
    pub scale: Scale,
}

impl Decimal {
    /// The nearest double of the exact value.
    #[inline]
    pub fn to_f64(self) -> f64 {
        if self.raw.unsigned_abs() < 1 << 53 {
            return self.raw as i64 as f64 / self.scale.unit() as f64;
        }
        // Text is the one conversion that is correctly rounded for every magnitude.
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.raw < 0 {
            f.write_str("-")?;
        }
        let mut width = usize::from(self.scale.0);
        // Division in 64 bits costs a fraction of that in 128.
        if let Ok(magnitude) = u64::try_from(self.raw.unsigned_abs()) {
            let unit = self.scale.unit() as u64;
            let (whole, mut fraction) = (magnitude / unit, magnitude % unit);
            if fraction == 0 {
                return write!(f, "{whole}");
            }
            while fraction.is_multiple_of(10) {
                (fraction, width) = (fraction / 10, width - 1);
            }
            return write!(f, "{whole}.{fraction:0width$}");
        }
        let unit = self.scale.unit() as u128;
        let (whole, fraction) = (self.raw.unsigned_abs() / unit, self.raw.unsigned_abs() % unit);
        write!(f, "{whole}")?;
        if fraction > 0 {
            let digits = format!("{fraction:0width$}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct $name(i64);

        impl $name {
            /// From raw units of the instrument's scale.
            #[inline]
            pub const fn from_raw(raw: i64) -> Self {
                $name(raw)
            }

            /// Raw units of the instrument's scale.
            #[inline]
            pub const fn raw(self) -> i64 {
                self.0
            }

            /// Parses decimal text exactly.
            ///
            /// # Errors
            /// As [`parse_fixed`].
            pub fn parse(text: &str, scale: Scale) -> Result<Self, FixedError> {
                parse_fixed(text.as_bytes(), scale).map($name)
            }

            /// With its scale, to print or to convert.
            pub fn decimal(self, scale: Scale) -> Decimal {
                Decimal { raw: i128::from(self.0), scale }
            }
        }
    };
}

fixed!(
    /// A price in raw units of its instrument's price scale.
    Price
);
fixed!(
    /// A size (shares, contracts, coins) in raw units of its instrument's size scale.
    Size
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Result<i64, FixedError>) {
        assert_eq!(parse_fixed(text.as_bytes(), Scale::NANO), expected, "{text}");
    }

    #[test]
    fn text_is_exact_or_refused() {
        check("490.15", Ok(490_150_000_000));
        check("-0.000000001", Ok(-1));
        check(".5", Ok(500_000_000));
        check("7.", Ok(7_000_000_000));
        check("1e-9", Ok(1));
        check("12.5E3", Ok(12_500_000_000_000));
        check("1.00000000000000000000", Ok(1_000_000_000));
        check("000000000000000000000001", Ok(1_000_000_000));
        check("9223372036.854775807", Ok(i64::MAX));
        check("-9223372036.854775808", Ok(i64::MIN));
        check("9223372036.854775808", Err(FixedError::Overflow(9)));
        check("0.0000000001", Err(FixedError::Inexact(9)));
        check("1e400", Err(FixedError::Overflow(9)));
        check("0e400", Ok(0));
        for bad in [".", "-", "+", "1.2.3", "0x1", "NaN", "inf", "1 ", "1,5", "e5", "1e", "--1"] {
            check(bad, Err(FixedError::Malformed));
        }
        check("", Err(FixedError::Empty));
    }

    #[test]
    fn doubles_are_the_decimal_they_print_as_or_refused() {
        assert_eq!(raw_from_f64(490.15, Scale::NANO), Ok(490_150_000_000));
        assert_eq!(raw_from_f64(12_345_678.12345679, Scale::NANO), Ok(12_345_678_123_456_790));
        assert_eq!(raw_from_f64(0.1 + 0.2, Scale::NANO), Err(FixedError::Inexact(9)));
        assert_eq!(raw_from_f64(f64::NAN, Scale::NANO), Err(FixedError::Malformed));
        assert_eq!(raw_from_f64(1e300, Scale::NANO), Err(FixedError::Overflow(9)));
        assert_eq!(raw_from_f64(-0.0, Scale::NANO), Ok(0));
    }

    proptest! {
        #[test]
        fn prints_and_parses_exactly(raw: i64, digits in 0u8..=18) {
            let scale = Scale::new(digits).unwrap();
            let text = Price::from_raw(raw).decimal(scale).to_string();
            prop_assert_eq!(Price::parse(&text, scale), Ok(Price::from_raw(raw)));
        }

        #[test]
        fn doubles_come_back(raw in -4_500_000_000_000_000i64..4_500_000_000_000_000) {
            let value = Price::from_raw(raw).decimal(Scale::NANO).to_f64();
            prop_assert_eq!(raw_from_f64(value, Scale::NANO), Ok(raw));
        }

        #[test]
        fn noise_never_panics(text: Vec<u8>, digits in 0u8..=18) {
            let _ = parse_fixed(&text, Scale::new(digits).unwrap());
        }
    }
}
