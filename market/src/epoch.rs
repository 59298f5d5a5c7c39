//! Epochs: the timely timestamp. An epoch is a partition's watermark divided by the epoch length.

use crate::Time;

/// A count of epoch lengths since 1970; [`Epoch::MIN`] before a partition has a watermark.
pub type Epoch = i64;

/// How long an epoch is. Divides a day, so that with every bar width checked against it, bars end
/// where epochs begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochLength(i64);

/// Why a length was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an epoch is at least 1ms and divides a day, not {0}ns")]
pub struct EpochLengthError(i64);

impl EpochLength {
    /// One second, the default.
    pub const SECOND: EpochLength = EpochLength(Time::SECOND);

    /// A length in nanoseconds.
    ///
    /// # Errors
    /// Refuses what is below a millisecond or does not divide a day.
    pub fn from_ns(ns: i64) -> Result<Self, EpochLengthError> {
        if ns < 1_000_000 || Time::DAY % ns != 0 {
            return Err(EpochLengthError(ns));
        }
        Ok(EpochLength(ns))
    }

    /// Nanoseconds.
    #[inline]
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// The epoch that `time` lies in.
    #[inline]
    pub const fn of(self, time: Time) -> Epoch {
        time.ns().div_euclid(self.0)
    }

    /// Where `epoch` begins; the ends of time where it lies outside.
    #[inline]
    pub const fn start(self, epoch: Epoch) -> Time {
        Time::from_ns(epoch.saturating_mul(self.0))
    }

    /// What the log's head must have reached at least when a change of `epoch` became known: the start
    /// of the next epoch, plus the lateness.
    #[inline]
    pub const fn known_at(self, epoch: Epoch, lateness_ns: i64) -> Time {
        Time::from_ns(self.start(epoch.saturating_add(1)).ns().saturating_add(lateness_ns))
    }
}
