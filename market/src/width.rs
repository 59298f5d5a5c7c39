//! Widths of time bars: `1s` to `60min`, `1h` and its multiples, `1d`, `session`.
//!
//! A width divides a day, so that bars start at the same times every day. Until calendars come, a
//! session is the UTC day of a 24x7 market.

use crate::Time;
use std::fmt;
use std::str::FromStr;

/// The width of a bar in whole seconds, dividing a day; `session` is told apart from `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Width(u32);

const SESSION: u32 = 1 << 31;
const DAY_S: u32 = 86_400;

/// Why a text is no width.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WidthError {
    /// Not of the form of a width.
    #[error("\"{0}\": a width is a number and a unit (1s, 1min, 1h, 1d) or session")]
    Malformed(String),
    /// It does not divide a day.
    #[error("\"{0}\": a width must divide a day evenly")]
    Uneven(String),
}

impl Width {
    /// One UTC session a day.
    pub const SESSION: Width = Width(DAY_S | SESSION);

    /// A width of whole seconds.
    ///
    /// # Errors
    /// Refuses zero and what does not divide a day.
    pub fn from_seconds(seconds: u32) -> Result<Self, WidthError> {
        if seconds == 0 || seconds > DAY_S || !DAY_S.is_multiple_of(seconds) {
            return Err(WidthError::Uneven(format!("{seconds}s")));
        }
        Ok(Width(seconds))
    }

    /// Whole seconds.
    #[inline]
    pub const fn seconds(self) -> u32 {
        self.0 & !SESSION
    }

    /// Nanoseconds.
    #[inline]
    pub const fn ns(self) -> i64 {
        self.seconds() as i64 * Time::SECOND
    }

    /// Start of the bar that holds `ts`.
    #[inline]
    pub const fn open_of(self, ts: Time) -> Time {
        Time::from_ns(ts.ns().saturating_sub(ts.ns().rem_euclid(self.ns())))
    }

    /// The widest of some widths that rolls up from none of the others, in nanoseconds: bars of it are folded from
    /// trades. 0 for none.
    pub fn widest_base_ns(widths: &[Width]) -> i64 {
        let is_base = |width: &&Width| !widths.iter().any(|narrow| width.rolls_up_from(*narrow));
        widths.iter().filter(is_base).map(|width| width.ns()).max().unwrap_or(0)
    }

    /// Whether bars of this width can be rolled up from bars of `narrower`.
    pub const fn rolls_up_from(self, narrower: Width) -> bool {
        let (wide, narrow) = (self.seconds(), narrower.seconds());
        self.0 != narrower.0 && wide % narrow == 0 && (wide > narrow || self.0 & SESSION != 0)
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds() {
            _ if *self == Width::SESSION => write!(f, "session"),
            DAY_S => write!(f, "1d"),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s if s % 60 == 0 => write!(f, "{}min", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl FromStr for Width {
    type Err = WidthError;

    fn from_str(text: &str) -> Result<Self, WidthError> {
        if text == "session" {
            return Ok(Width::SESSION);
        }
        let malformed = || WidthError::Malformed(text.to_owned());
        let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let count: u32 = text[..at].parse().map_err(|_| malformed())?;
        let unit = match &text[at..] {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => DAY_S,
            _ => return Err(malformed()),
        };
        let seconds = count.checked_mul(unit).ok_or_else(malformed)?;
        Width::from_seconds(seconds).map_err(|_| WidthError::Uneven(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_a_width() {
        let names = [("60s", "1min"), ("1m", "1min"), ("60min", "1h"), ("1d", "1d"), ("24h", "1d")];
        for (text, name) in names.into_iter().chain([("session", "session"), ("15s", "15s")]) {
            assert_eq!(text.parse::<Width>().unwrap().to_string(), name);
        }
        for bad in ["", "s", "0s", "7min", "2d", "1w", "-1s", "1.5s", "99999999999s"] {
            assert!(bad.parse::<Width>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_rolls_up_from_a_day_and_not_the_other_way() {
        let [minute, day]: [Width; 2] = ["1min", "1d"].map(|w| w.parse().unwrap());
        assert!(day.rolls_up_from(minute) && Width::SESSION.rolls_up_from(day));
        assert!(!day.rolls_up_from(Width::SESSION) && !minute.rolls_up_from(minute));
    }
}
