//! Decimal numbers out of text, eight digits at a time.
//!
//! A field's last eight (or sixteen) bytes are loaded as one word; bytes before the field become `0`,
//! the point is cut out by shifting what stands before it, and the digits are summed by three
//! multiplications. No branch depends on where the point stands. What is not plain digits with at
//! most one point is left to [`market::parse_fixed`], which also says why it is refused.

use market::{FixedError, POWERS, Scale, parse_fixed};

/// Bytes that must stand before the first field of a buffer, so that a word can be loaded.
pub(crate) const PAD: usize = 32;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// A point after its word was xored with zeros.
const POINT: u64 = 0x1e;

/// By place of the point in a word (8: none): bytes before it, bytes behind it, digits behind it.
const CUTS: [(u64, u64, u8); 9] = {
    let mut cuts = [(0, u64::MAX, 0); 9];
    let mut at = 0;
    while at < 8 {
        let before = (1u64 << (8 * at)) - 1;
        let behind = if at == 7 { 0 } else { u64::MAX << (8 * at + 8) };
        cuts[at] = (before, behind, 7 - at as u8);
        at += 1;
    }
    cuts
};

/// The number `bytes[start..end]` in raw units of `scale`.
#[inline(always)]
pub(crate) fn fixed(
    bytes: &[u8],
    start: usize,
    end: usize,
    scale: Scale,
) -> Result<i64, FixedError> {
    let fast = match end - start {
        1..=8 => short(bytes, start, end, scale),
        9..=16 => medium(bytes, start, end, scale),
        17..=19 => integer(bytes, start, end, scale),
        _ => None,
    };
    match fast {
        Some(raw) => Ok(raw),
        None => slow(bytes, start, end, scale),
    }
}

#[cold]
#[inline(never)]
fn slow(bytes: &[u8], start: usize, end: usize, scale: Scale) -> Result<i64, FixedError> {
    parse_fixed(&bytes[start..end], scale)
}

/// The eight bytes before `end`, those before `start` as `0`, all as digits from 0 to 9.
#[inline(always)]
fn word(bytes: &[u8], start: usize, end: usize) -> Option<u64> {
    let loaded = u64::from_le_bytes(bytes.get(end.checked_sub(8)?..end)?.try_into().ok()?);
    let keep = u64::MAX << (8 * (8 - (end - start).min(8)));
    Some((loaded ^ ZEROS) & keep)
}

#[inline(always)]
fn are_digits(word: u64) -> bool {
    (word.wrapping_add(0x7676_7676_7676_7676) | word) & HIGHS == 0
}

/// Where the first point stands, 8 when there is none.
#[inline(always)]
fn point(word: u64) -> usize {
    let other = word ^ (ONES * POINT);
    let zero = other.wrapping_sub(ONES) & !other & HIGHS;
    (zero.trailing_zeros() / 8) as usize
}

#[inline(always)]
fn sum(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    low.wrapping_add(high) >> 32
}

#[inline(always)]
fn short(bytes: &[u8], start: usize, end: usize, scale: Scale) -> Option<i64> {
    let word = word(bytes, start, end)?;
    let (before, behind, decimals) = CUTS[point(word)];
    let digits = (word & behind) | ((word & before) << 8);
    // A point alone has no digit.
    if !are_digits(digits) || (end - start == 1 && before == CUTS[7].0) {
        return None;
    }
    let zeros = scale.digits().checked_sub(decimals)?;
    (sum(digits) as i64).checked_mul(POWERS[usize::from(zeros)])
}

/// Nine to sixteen bytes: the point stands in one of two words, or in none.
#[inline(always)]
fn medium(bytes: &[u8], start: usize, end: usize, scale: Scale) -> Option<i64> {
    let (high, low) = (word(bytes, start, end - 8)?, word(bytes, end - 8, end)?);
    let (in_low, in_high) = (point(low), point(high));
    let (before, behind, decimals) = CUTS[in_low];
    if in_low < 8 {
        // The last byte of the upper word moves into the gap that the point leaves.
        let low = (low & behind) | ((low & before) << 8) | (high >> 56);
        let high = high << 8;
        return combine(high, low, decimals, scale);
    }
    let (before, behind, decimals) = CUTS[in_high];
    let high = (high & behind) | ((high & before) << 8);
    let decimals = if in_high < 8 { decimals + 8 } else { 0 };
    combine(high, low, decimals, scale)
}

#[inline(always)]
fn combine(high: u64, low: u64, decimals: u8, scale: Scale) -> Option<i64> {
    if !are_digits(high) || !are_digits(low) {
        return None;
    }
    let zeros = scale.digits().checked_sub(decimals)?;
    let value = sum(high) as i64 * 100_000_000 + sum(low) as i64;
    value.checked_mul(POWERS[usize::from(zeros)])
}

/// Seventeen to nineteen digits without a point: nanoseconds since 1970.
#[inline(always)]
fn integer(bytes: &[u8], start: usize, end: usize, scale: Scale) -> Option<i64> {
    let low = word(bytes, end - 8, end)?;
    let middle = word(bytes, end - 16, end - 8)?;
    let high = word(bytes, start, end - 16)?;
    if !are_digits(low) || !are_digits(middle) || !are_digits(high) {
        return None;
    }
    let value = sum(high) * 10_000_000_000_000_000 + sum(middle) * 100_000_000 + sum(low);
    i64::try_from(value).ok()?.checked_mul(POWERS[usize::from(scale.digits())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, digits: u8) {
        let scale = Scale::new(digits).unwrap();
        // Digits before the field must not leak into it.
        let mut bytes = vec![b'7'; PAD];
        bytes.extend_from_slice(text.as_bytes());
        let end = bytes.len();
        bytes.extend_from_slice(b"9.9,");
        let found = fixed(&bytes, PAD, end, scale);
        assert_eq!(found, parse_fixed(text.as_bytes(), scale), "{text} at {digits}");
    }

    #[test]
    fn edges_agree_with_the_exact_parser() {
        for text in [
            "",
            ".",
            "0",
            "5.",
            ".5",
            "-1",
            "1.2.3",
            "12345678",
            "1234567.",
            ".1234567",
            "12345.678",
            "123456789",
            "1.23456789",
            "12345678.",
            "12345678.9",
            "1234567.8",
            ".123456789012345",
            "1234567890123456",
            "123456789012345.",
            "1399420802783000000",
            "9223372036854775807",
            "9223372036854775808",
            "9999999999999999999",
            "1e5",
            "1 ",
            " 1",
            "1,5",
            "\u{ff}",
            "/",
            ":",
            "1..2",
            "1234.678901.345",
        ] {
            for digits in [0, 3, 6, 9, 18] {
                check(text, digits);
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_agrees_with_the_exact_parser(text in "[0-9.]{0,20}", digits in 0u8..=18) {
            check(&text, digits);
        }

        #[test]
        fn noise_agrees_with_the_exact_parser(text in "[-+0-9./:eE \u{80}-\u{ff}]{0,20}") {
            check(&text, 9);
        }
    }
}
