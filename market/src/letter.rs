//! Refusals: why a record was not used, and the letter that keeps it.

use crate::{Epoch, Offset, Time};
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Why a record was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in order.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The reason's name in tables, files and summaries.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }
        }
    };
}

reasons! {
    /// The record could not be split into fields or is not text.
    Malformed = "malformed",
    /// A required field is missing or empty.
    Missing = "missing",
    /// The symbol is empty, too long or unprintable.
    Symbol = "symbol",
    /// The time is no time of the given form, or lies outside the years 1680 to 2259.
    Time = "time",
    /// The price is no number, does not fit its scale, or is not above zero.
    Price = "price",
    /// The size is no number, does not fit its scale, or is not above zero.
    Size = "size",
    /// Price times size is beyond 2^103 raw units, more than sums could hold.
    Notional = "notional",
    /// Another field has a value it cannot have.
    Field = "field",
    /// A transaction type that there is not, or that its source cannot have.
    TransType = "trans_type",
    /// The time lies more than `max_ahead` ahead.
    Future = "future",
    /// The time jumped more than `max_jump` ahead and the next record fell back.
    Jump = "jump",
    /// The time lies before the correction horizon.
    Horizon = "horizon",
    /// The same `(symbol, venue, trade_id)` was admitted within the horizon.
    Duplicate = "duplicate",
    /// A correction whose trade did not come within a horizon, or was taken back before.
    Unmatched = "unmatched",
    /// An exclusion names the trade.
    Excluded = "excluded",
    /// The price is an outlier against the symbol's running scale.
    Outlier = "outlier",
    /// One symbol more than a partition may hold.
    SymbolLimit = "symbol_limit",
    /// The universe does not name the symbol, and unknown ones are refused.
    UnknownSymbol = "unknown_symbol",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A refused record with all that is needed to find it, understand it and admit it after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The partition's epoch at the record's position.
    pub epoch: Epoch,
    /// Number of the partition within the run.
    pub partition: u32,
    /// Where the record was read: a file's path, a topic, a simulator's name.
    pub source: String,
    /// Position within the partition.
    pub offset: Offset,
    /// Why.
    pub reason: Reason,
    /// What was given and what was wanted, in words.
    pub detail: String,
    /// The record as it came; bytes that are not UTF-8 as `\xNN`. Cut at 4 KiB.
    pub raw: String,
    /// The symbol, where it could be read.
    pub symbol: Option<String>,
    /// The event time, where it could be read.
    pub ts_event: Option<Time>,
}

/// What a partition did with its records. `read = used + refused` always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records read.
    pub read: u64,
    /// Records admitted.
    pub used: u64,
    /// Records refused, by [`Reason`].
    pub refused: [u64; Reason::ALL.len()],
    /// Admitted trades whose bar had closed in their own partition, counted once a trade.
    pub late: u64,
    /// Admitted trades that were flagged as outliers.
    pub flagged: u64,
    /// Of the records admitted, those that took a trade back.
    pub cancelled: u64,
    /// Of the records admitted, those that edited a trade.
    pub replaced: u64,
    /// Trades that exclusions took back after they were admitted.
    pub excluded: u64,
    /// Records left out because the log before holds them, or because they lie before what was asked for: they
    /// are not read, and counted nowhere else.
    pub left_out: u64,
}

impl Counts {
    /// Records refused for any reason.
    pub fn refused_total(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// Adds another partition's counts.
    pub fn add(&mut self, other: &Counts) {
        self.read += other.read;
        self.used += other.used;
        self.late += other.late;
        self.flagged += other.flagged;
        self.cancelled += other.cancelled;
        self.replaced += other.replaced;
        self.excluded += other.excluded;
        self.left_out += other.left_out;
        for (mine, theirs) in self.refused.iter_mut().zip(&other.refused) {
            *mine += theirs;
        }
    }
}
