//! UTC time in integer nanoseconds since 1970. Never read from a clock here.

use std::fmt;

/// A moment: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Time(i64);

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a time: wanted RFC 3339, as 2024-01-02T14:30:00Z")]
pub struct TimeError(String);

impl Time {
    /// One second in nanoseconds.
    pub const SECOND: i64 = 1_000_000_000;
    /// One day in nanoseconds.
    pub const DAY: i64 = 86_400 * Time::SECOND;

    /// The earliest time a record may have, 1680-01-01T00:00:00Z. Two years and more from the end of 64
    /// bits, as [`Time::GREATEST`] is from the other: no lateness, horizon, jump or bar beside such a time
    /// lies outside them.
    pub const LEAST: Time = Time(-105920 * Time::DAY);
    /// The latest time a record may have, the last nanosecond of the year 2259.
    pub const GREATEST: Time = Time(105920 * Time::DAY - 1);

    /// From nanoseconds since 1970.
    #[inline]
    pub const fn from_ns(ns: i64) -> Self {
        Time(ns)
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// Days since 1970, rounded down: the UTC day.
    #[inline]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(Time::DAY)
    }

    /// Parses RFC 3339 text.
    ///
    /// # Errors
    /// Refuses other text and what lies outside the years 1677 to 2262.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let refuse = || TimeError(text.to_owned());
        let stamp: jiff::Timestamp = text.parse().map_err(|_| refuse())?;
        i64::try_from(stamp.as_nanosecond()).map(Time).map_err(|_| refuse())
    }

    /// The UTC date as `YYYY-MM-DD`.
    pub fn date(self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with as many decimals as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(self.0)).map_err(|_| fmt::Error)?;
        write!(f, "{stamp}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        for text in ["2024-01-02T14:30:00Z", "1969-12-31T23:59:59.999999999Z"] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Time::parse("2024-01-02T15:30:00+01:00").unwrap().to_string(),
            "2024-01-02T14:30:00Z"
        );
        assert!(Time::parse("9999-01-01T00:00:00Z").is_err());
        assert!(Time::parse("yesterday").is_err());
        assert_eq!(Time::from_ns(i64::MIN).date(), "1677-09-21");
    }

    #[test]
    fn records_lie_two_years_and_more_inside_64_bits() {
        assert_eq!(Time::LEAST.to_string(), "1680-01-01T00:00:00Z");
        assert_eq!(Time::GREATEST.to_string(), "2259-12-31T23:59:59.999999999Z");
        for days in [-800, 800] {
            let beside = |time: Time| time.ns().checked_add(days * Time::DAY);
            assert!(beside(Time::LEAST).is_some() && beside(Time::GREATEST).is_some());
        }
    }
}
