//! The seam where the trades of a symbol come together that several partitions hold: there is judged what belongs to
//! the symbol, and not to a partition.

use crate::{Counts, Offset, PartitionError, Price, Reason, Side, Size, SymbolId, Time, TradeId};
use crate::{TransType, Updates};

/// One trade, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Event time.
    pub ts_event: Time,
    /// Symbol.
    pub symbol: SymbolId,
    /// Price, in raw units of the symbol's price scale.
    pub price: Price,
    /// Size, in raw units of the symbol's size scale.
    pub size: Size,
    /// Position within its partition.
    pub offset: Offset,
    /// Id at the venue.
    pub trade_id: TradeId,
    /// Venue, where the source has one.
    pub venue: Option<SymbolId>,
    /// Aggressor.
    pub side: Side,
    /// What it does.
    pub trans: TransType,
    /// What of a bar it counts for.
    pub updates: Updates,
}

/// Why a trade is refused that its partition has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// What was given and what was wanted, in words.
    pub detail: String,
    /// The trade as text.
    pub raw: String,
}

/// Judges the trades of symbols, each symbol's in one order, whatever partition they come from. What it holds can be
/// taken apart by symbol: its verdicts on one depend on that symbol's trades alone.
pub trait Judge {
    /// The next trade, which is used unless it is refused. Nothing that comes lies before `floor`, which never falls.
    ///
    /// # Errors
    /// Refuses a trade that its symbol's earlier ones speak against.
    fn judge(&mut self, trade: &Trade, floor: Time) -> Result<(), Refused>;

    /// Takes what a log has left that its partitions are read behind, of the symbols that `of` chooses.
    ///
    /// # Errors
    /// Fails where that cannot be understood.
    fn follow(&mut self, left: &[u8], of: &dyn Fn(SymbolId) -> bool) -> Result<(), PartitionError>;

    /// What it holds of the symbols that `of` chooses, in any process's terms.
    fn snapshot(&self, of: &dyn Fn(SymbolId) -> bool) -> Vec<u8>;

    /// Takes in, of what [`Judge::snapshot`] gave, the symbols that `of` chooses.
    ///
    /// # Errors
    /// Fails where that cannot be understood.
    fn restore(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &[u8])
    -> Result<(), PartitionError>;

    /// What was refused and flagged so far; what was read and used others count.
    fn counts(&self) -> Counts;
}
