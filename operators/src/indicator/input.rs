//! Which number of a bar an indicator reads: a whole number of raw units, and how many make one.
//!
//! ```text
//! hl2 = (high + low) / 2      hlc3 = (high + low + close) / 3      vwap = notional / volume
//! ```
//!
//! Sums stay whole: `hl2` is `high + low` in half units, `hlc3` the sum of three in third units, `vwap`
//! is rounded to the nearest raw unit of price (halves up) and is the close where nothing traded.
//! `open high low close vwap` fit 64 bits; `hl2 hlc3 volume` need not, so their windows are wider.

use super::Word;
use super::number::{to_f64, whole_to_f64};
use market::{Bar, Scales};
use std::fmt;

/// A number of a bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Field {
    /// First price.
    Open,
    /// Greatest price.
    High,
    /// Least price.
    Low,
    /// Last price.
    #[default]
    Close,
    /// Mean of high and low.
    Hl2,
    /// Mean of high, low and close.
    Hlc3,
    /// Volume-weighted average price, to the nearest raw unit; the close where nothing traded.
    Vwap,
    /// Sum of sizes.
    Volume,
}

impl Field {
    /// Every field, in the order of the documentation.
    pub const ALL: [Field; 8] = [
        Field::Open,
        Field::High,
        Field::Low,
        Field::Close,
        Field::Hl2,
        Field::Hlc3,
        Field::Vwap,
        Field::Volume,
    ];

    /// Its name, as in `of=hl2`.
    pub const fn name(self) -> &'static str {
        match self {
            Field::Open => "open",
            Field::High => "high",
            Field::Low => "low",
            Field::Close => "close",
            Field::Hl2 => "hl2",
            Field::Hlc3 => "hlc3",
            Field::Vwap => "vwap",
            Field::Volume => "volume",
        }
    }

    /// Whether it may need more than 64 bits.
    pub const fn is_wide(self) -> bool {
        matches!(self, Field::Hl2 | Field::Hlc3 | Field::Volume)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The greatest magnitude an input has; a volume beyond it counts as it, so that no sum overflows.
pub const INPUT_MAX: i128 = 1 << 100;

/// A field with the scale of one instrument.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    field: Field,
    unit: f64,
}

impl Input {
    /// `field` of bars whose raw units are those of `scales`.
    pub fn new(field: Field, scales: Scales) -> Self {
        let unit = match field {
            Field::Volume => scales.size.unit() as f64,
            Field::Hl2 => scales.price.unit() as f64 * 2.0,
            Field::Hlc3 => scales.price.unit() as f64 * 3.0,
            _ => scales.price.unit() as f64,
        };
        Input { field, unit }
    }

    /// The field.
    pub const fn field(self) -> Field {
        self.field
    }

    /// Raw units in one unit of currency, or of size.
    #[inline]
    pub const fn unit(self) -> f64 {
        self.unit
    }

    /// The value in raw units, as a double.
    #[inline]
    pub fn raw_f64(self, bar: &Bar) -> f64 {
        match self.field {
            Field::Close => whole_to_f64(bar.close.raw()),
            field => other_f64(field, bar),
        }
    }

    /// The value in units of currency, or of size.
    #[inline]
    pub fn value(self, bar: &Bar) -> f64 {
        self.raw_f64(bar) / self.unit
    }
}

/// A field that is not the close. Apart, because code that may divide 128 bits saves more registers,
/// and the close need not wait for that.
#[inline(never)]
fn other_f64(field: Field, bar: &Bar) -> f64 {
    to_f64(wide(field, bar))
}

/// The same, at the nearest end of the range where it does not fit.
#[inline(never)]
fn other_i64(field: Field, bar: &Bar) -> i64 {
    wide(field, bar).clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// The whole number `field` of `bar`.
fn wide(field: Field, bar: &Bar) -> i128 {
    let [open, high, low, close] =
        [bar.open, bar.high, bar.low, bar.close].map(|price| i128::from(price.raw()));
    match field {
        Field::Open => open,
        Field::High => high,
        Field::Low => low,
        Field::Close => close,
        Field::Hl2 => high + low,
        Field::Hlc3 => high + low + close,
        Field::Vwap if bar.volume <= 0 => close,
        Field::Vwap => nearest_quotient(bar.notional, bar.volume),
        Field::Volume => bar.volume.clamp(-INPUT_MAX, INPUT_MAX),
    }
}

/// `sum / count` rounded to the nearest whole number, halves up.
fn nearest_quotient(sum: i128, count: i128) -> i128 {
    let (quotient, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    quotient + i128::from(rest >= count - rest)
}

/// A whole number in a window: `i64`, or `i128` for fields that need it.
pub trait Cell: Word {
    /// Reads `input` of `bar`, at the nearest end of the range where it does not fit.
    fn read(input: Input, bar: &Bar) -> Self;
    /// As the wider number.
    fn wide(self) -> i128;
}

impl Cell for i64 {
    #[inline]
    fn read(input: Input, bar: &Bar) -> Self {
        match input.field {
            Field::Close => bar.close.raw(),
            field => other_i64(field, bar),
        }
    }

    #[inline]
    fn wide(self) -> i128 {
        i128::from(self)
    }
}

impl Cell for i128 {
    #[inline]
    fn read(input: Input, bar: &Bar) -> Self {
        wide(input.field, bar)
    }

    #[inline]
    fn wide(self) -> i128 {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::nearest_quotient;

    #[test]
    fn quotients_round_to_the_nearest_and_halves_up() {
        let quotients = [(7, 2), (6, 4), (5, 4), (7, 4), (-5, 4), (-6, 4), (-7, 4), (8, 1)];
        let rounded = quotients.map(|(sum, count)| nearest_quotient(sum, count));
        assert_eq!(rounded, [4, 2, 1, 2, -1, -1, -2, 8]);
    }
}
