//! Durations as people write them: `500ms`, `2s`, `15min`, `1h`.

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form.
    #[error("a duration is a whole number and a unit (ns us ms s min h d), as 2s")]
    Malformed,
    /// Beyond 292 years.
    #[error("a duration has at most 292 years")]
    Long,
}

/// Nanoseconds of a duration.
///
/// # Errors
/// Refuses other text and what does not fit 64 bits.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Malformed)?;
    let unit = UNITS.iter().find(|(name, _)| *name == &text[at..]);
    let (Some((_, unit)), 1..) = (unit, at) else { return Err(DurationError::Malformed) };
    let count: i64 = text[..at].parse().map_err(|_| DurationError::Long)?;
    count.checked_mul(*unit).ok_or(DurationError::Long)
}

/// A duration in its greatest whole unit.
pub fn print_duration(ns: i64) -> String {
    let whole = UNITS.iter().rev().filter(|(name, _)| *name != "m");
    let unit = whole.into_iter().find(|(_, unit)| ns % unit == 0 && ns != 0);
    unit.map_or_else(
        || format!("{}s", ns / 1_000_000_000),
        |(name, unit)| format!("{}{name}", ns / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_named() {
        for (text, ns) in
            [("0s", 0), ("2s", 2_000_000_000), ("15min", 900_000_000_000), ("500ms", 500_000_000)]
        {
            assert_eq!(parse_duration(text), Ok(ns), "{text}");
            assert_eq!(print_duration(ns), text);
        }
        assert_eq!(parse_duration("9999999d"), Err(DurationError::Long));
        for bad in ["", "s", "2", "2 s", "-2s", "1.5s", "2sec", "٣s"] {
            assert_eq!(parse_duration(bad), Err(DurationError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn prints_and_parses(ns in 0i64..) {
            prop_assert_eq!(parse_duration(&print_duration(ns)), Ok(ns));
        }

        #[test]
        fn noise_never_panics(text: String) {
            let _ = parse_duration(&text);
        }
    }
}
