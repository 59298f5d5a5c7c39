//! A simulated market session: seeded, correlated, with an intraday shape and what real feeds do wrong.
//!
//! ```text
//! time of trade k   = start + session * F^-1((k + u_k) / trades)     F: a U over the session, 3 to 1
//! price of a trade *= 1 + beta * (M(t) - M(t')) + sigma * sqrt(t - t') * z,  rounded to ticks, bounced
//! log order         = arrival = ts_event + delay                     most delays are zero
//! ```
//!
//! Corrections follow their trade by 1 to 60 s, as many between 1 and 2 s as between 30 and 60. Beside those
//! that the rates bring: one replace in eight is replaced once more and one in eight cancelled, each by another 1 to
//! 60 s later; of the cancels one in fifty comes before its trade, and one in fifty brings with it another of an id that
//! no trade has; of all corrections one in fifty comes again within a second. None corrects a bad record.
//!
//! `M` is one market factor by seconds; `z` is close to normal. Numbers are drawn by trade number, not in
//! sequence, so a partition skips the trades of others cheaply and the content does not depend on the
//! number of partitions. Only correctly rounded operations and `libm` are used: the same seed gives the
//! same bytes on every machine. Memory: the symbols, a factor value a second, and the delayed records.

mod amends;
mod feed;
mod instruments;
mod random;
#[cfg(test)]
mod tests;
mod ticks;
mod write;

pub use feed::SimulatedFeed;
pub use ticks::{Flaw, Tick, Ticks};
pub use write::{Columns, WriteError, Written, write_csv, write_parquet, write_session};

use market::Time;

/// Symbols that can be simulated.
const SYMBOLS_MAX: u32 = 1_000_000;

/// Delayed records that may be held at once.
const DELAYED_MAX: f64 = 4e6;

/// Longest delay of what comes late, or twice.
const DELAY_MAX_NS: i64 = 60 * Time::SECOND;

/// Corrections of one trade, each up to [`DELAY_MAX_NS`] behind the one before.
const CORRECTED_MAX: i64 = 3;

/// Longest delay of what comes a little late.
const DELAY_SHORT_MAX_NS: i64 = 2 * Time::SECOND;

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// Symbols: the 12 instruments of the demo first, then generated names.
    pub symbols: u32,
    /// Trades, not counting what comes twice, corrections and bad records.
    pub trades: u64,
    /// Seed of everything.
    pub seed: u64,
    /// Start of the session.
    pub start: Time,
    /// Its length.
    pub session_ns: i64,
    /// Share of trades that come up to 2 s late.
    pub late_short: f64,
    /// Share of trades that come 2 to 60 s late, most of them early in that span.
    pub late_long: f64,
    /// Share of trades that come twice.
    pub duplicate: f64,
    /// Bad records for each trade: prices and sizes out of range, absurd times, no symbol.
    pub bad: f64,
    /// Share of trades that are cancelled.
    pub cancel: f64,
    /// Share of trades that are replaced by others; none is both at first.
    pub replace: f64,
    /// Venues that trades are spread over; 0: trades carry none. At most 4.
    pub venues: u32,
}

/// Why a simulation was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimulationError {
    /// A number out of range.
    #[error("{key} = {given}: wanted {wanted}")]
    Range {
        /// The field.
        key: &'static str,
        /// What was given.
        given: String,
        /// What was wanted.
        wanted: &'static str,
    },
}

impl Simulation {
    /// A session of 6.5 hours from 14:30 UTC of 2024-01-02, clean.
    pub fn new(symbols: u32, trades: u64, seed: u64) -> Self {
        Simulation {
            symbols,
            trades,
            seed,
            start: Time::from_ns(1_704_205_800 * Time::SECOND),
            session_ns: 23_400 * Time::SECOND,
            late_short: 0.0,
            late_long: 0.0,
            duplicate: 0.0,
            bad: 0.0,
            cancel: 0.0,
            replace: 0.0,
            venues: 0,
        }
    }

    /// The workload W1: 10 M trades of 1,000 symbols in one session, 1% up to 2 s late, 0.1% 2 to 60 s.
    pub fn w1(seed: u64) -> Self {
        Simulation {
            late_short: 0.01,
            late_long: 0.001,
            ..Simulation::new(1_000, 10_000_000, seed)
        }
    }

    /// Comes late by `share` in all: ten elevenths of them up to 2 s, the others up to 60 s.
    #[must_use]
    pub fn late(self, share: f64) -> Self {
        Simulation { late_short: share / 1.1, late_long: share / 11.0, ..self }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// Refuses what is out of range, and delays that would hold millions of records at once.
    pub fn check(&self) -> Result<(), SimulationError> {
        let refuse = |key, given: String, wanted| SimulationError::Range { key, given, wanted };
        if !(1..=SYMBOLS_MAX).contains(&self.symbols) {
            return Err(refuse("symbols", self.symbols.to_string(), "1 to 1000000"));
        }
        if !(1..=10_000_000_000).contains(&self.trades) {
            return Err(refuse("trades", self.trades.to_string(), "1 to 10000000000"));
        }
        if !(Time::SECOND..=30 * Time::DAY).contains(&self.session_ns) {
            return Err(refuse("session", format!("{}ns", self.session_ns), "1s to 30 days"));
        }
        let longest = (1 + CORRECTED_MAX) * DELAY_MAX_NS;
        if self.start.ns().checked_add(self.session_ns + longest).is_none() {
            return Err(refuse("start", self.start.to_string(), "a session that ends by 2262"));
        }
        if self.venues > 4 {
            return Err(refuse("venues", self.venues.to_string(), "0 to 4"));
        }
        let shares = [
            ("late_short", self.late_short),
            ("late_long", self.late_long),
            ("duplicate", self.duplicate),
            ("bad", self.bad),
            ("cancel", self.cancel),
            ("replace", self.replace),
        ];
        if let Some((key, share)) = shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(refuse(key, share.to_string(), "0 to 1"));
        }
        if self.late_short + self.late_long > 1.0 {
            let given = (self.late_short + self.late_long).to_string();
            return Err(refuse("late_short + late_long", given, "at most 1"));
        }
        if self.cancel + self.replace > 1.0 {
            let given = (self.cancel + self.replace).to_string();
            return Err(refuse("cancel + replace", given, "at most 1"));
        }
        let peak = 3.0 * self.trades as f64 / self.session_ns as f64;
        let held = self.late_short * DELAY_SHORT_MAX_NS as f64
            + (self.late_long + self.duplicate) * DELAY_MAX_NS as f64
            + (self.cancel + self.replace) * (CORRECTED_MAX * DELAY_MAX_NS) as f64;
        if peak * held > DELAYED_MAX {
            let given = format!("{:.0} delayed records", peak * held);
            return Err(refuse("late_long", given, "at most 4000000 held at once"));
        }
        Ok(())
    }
}
