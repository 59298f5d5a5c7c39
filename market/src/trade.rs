//! Trades in columns (struct of arrays), as decoders fill them and the tick path folds them.

use crate::{Price, Size, SymbolId, Time, Trade, TransType, Updates};
use std::fmt;
use std::ops::Range;

/// A record's place within its partition: (file number or nothing, record number) or a Kafka
/// (offset, index). Rises along the log; ties of event time are decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Offset(u64);

impl Offset {
    /// Bits of the record number below the file number.
    const ROW_BITS: u32 = 40;
    /// Tells a place in a topic from one in a file.
    const MESSAGE: u64 = 1 << 63;
    /// Bits of the index below the message's offset.
    const INDEX_BITS: u32 = 20;
    /// The greatest index in a message.
    pub const INDEX_MAX: u32 = (1 << Self::INDEX_BITS) - 1;
    /// The greatest offset of a message.
    pub const MESSAGE_MAX: u64 = (1 << (63 - Self::INDEX_BITS)) - 1;

    /// Record `row` (0-based, the header not counted) of file number `file` of its partition.
    #[inline]
    pub const fn in_file(file: u32, row: u64) -> Self {
        Offset((file as u64) << Self::ROW_BITS | row)
    }

    /// The number of the file within its partition.
    #[inline]
    pub const fn file(self) -> u32 {
        (self.0 >> Self::ROW_BITS) as u32
    }

    /// The record's number within its file.
    #[inline]
    pub const fn row(self) -> u64 {
        self.0 & ((1 << Self::ROW_BITS) - 1)
    }

    /// Record `index` of the message at `offset` of its partition of a topic. Whatever a file gave before
    /// the topic comes before it.
    #[inline]
    pub const fn in_message(offset: u64, index: u32) -> Self {
        Offset(
            Self::MESSAGE
                | (offset & Self::MESSAGE_MAX) << Self::INDEX_BITS
                | (index & Self::INDEX_MAX) as u64,
        )
    }

    /// The offset and the index in it, of a record that came in a message.
    #[inline]
    pub const fn message(self) -> Option<(u64, u32)> {
        if self.0 & Self::MESSAGE == 0 {
            return None;
        }
        let offset = self.0 >> Self::INDEX_BITS & Self::MESSAGE_MAX;
        Some((offset, self.0 as u32 & Self::INDEX_MAX))
    }

    /// As one number that rises along the log.
    #[inline]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// From what [`Offset::raw`] gave.
    #[inline]
    pub const fn from_raw(raw: u64) -> Self {
        Offset(raw)
    }
}

/// A trade's id at its venue: a number as it is, other text by a 127-bit hash with the top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct TradeId(u128);

impl TradeId {
    /// No id: such a trade is never a duplicate.
    pub const NONE: TradeId = TradeId(u128::MAX);

    /// A numeric id.
    #[inline]
    pub const fn from_number(id: u64) -> Self {
        TradeId(id as u128)
    }

    /// What stands before the digits of an id whose text was not kept.
    const HASH: &str = "hash:";

    /// From text; canonical decimal numbers below 2^64 keep their value and order, and what an id prints as
    /// is that id again.
    #[inline]
    pub fn from_text(text: &[u8]) -> Self {
        if text.is_empty() {
            return TradeId::NONE;
        }
        let canonical = text.len() <= 19 && (text[0] != b'0' || text.len() == 1);
        if canonical && text.iter().all(u8::is_ascii_digit) {
            return TradeId(
                text.iter().fold(0u128, |value, byte| value * 10 + u128::from(byte - b'0')),
            );
        }
        TradeId::hashed(text)
    }

    /// Whether the id is a number, so that ids of one venue can be compared.
    #[inline]
    pub const fn is_number(self) -> bool {
        self.0 >> 127 == 0
    }

    /// As one number.
    #[inline]
    pub const fn raw(self) -> u128 {
        self.0
    }

    /// From what [`TradeId::raw`] gave.
    #[inline]
    pub const fn from_raw(raw: u128) -> Self {
        TradeId(raw)
    }

    /// `hash:` and 32 hexadecimal digits, as an id prints whose text was not kept.
    fn printed(text: &[u8]) -> Option<Self> {
        let digits =
            text.strip_prefix(Self::HASH.as_bytes()).filter(|digits| digits.len() == 32)?;
        let value = |digit: &u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let raw =
            digits.iter().try_fold(0, |raw, digit| Some(raw << 4 | u128::from(value(digit)?)));
        // Only what a hash can be: the top bit set, the lowest not.
        raw.filter(|raw: &u128| raw >> 127 == 1 && raw & 1 == 0).map(TradeId)
    }

    fn hashed(text: &[u8]) -> Self {
        if let Some(id) = TradeId::printed(text) {
            return id;
        }
        // FNV-1a in 128 bits: stable, and wide enough that two ids of one horizon do not meet.
        let hash =
            text.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
                (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
            });
        TradeId((hash | 1 << 127) & !1)
    }
}

/// The number that it is, or `hash:` and the hash of a text, which is not kept; nothing for no id.
impl fmt::Display for TradeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            TradeId::NONE => Ok(()),
            id if id.is_number() => write!(f, "{}", id.0),
            id => write!(f, "{}{:032x}", Self::HASH, id.0),
        }
    }
}

/// The aggressor's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Seller.
    Ask,
    /// Buyer.
    Bid,
    /// Not known.
    #[default]
    Unknown,
}

impl Side {
    /// From its number, as `side as u64` gives it.
    pub const fn of_code(code: u64) -> Option<Side> {
        match code {
            0 => Some(Side::Ask),
            1 => Some(Side::Bid),
            2 => Some(Side::Unknown),
            _ => None,
        }
    }
}

/// A batch of trades in columns. The first five have one value a trade; an optional column is empty or
/// has one too. Buffers are used again: [`Trades::clear`] keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trades {
    /// Event time.
    pub ts_event: Vec<Time>,
    /// Symbol.
    pub symbol: Vec<SymbolId>,
    /// Price, in raw units of the symbol's price scale.
    pub price: Vec<Price>,
    /// Size, in raw units of the symbol's size scale.
    pub size: Vec<Size>,
    /// Position within the partition, rising.
    pub offset: Vec<Offset>,
    /// Id at the venue; empty when the source has none.
    pub trade_id: Vec<TradeId>,
    /// Venue, interned like a symbol; empty when the source has none.
    pub venue: Vec<SymbolId>,
    /// Aggressor; empty when the source has none.
    pub side: Vec<Side>,
    /// What each does; empty when all are new trades.
    pub trans: Vec<TransType>,
    /// What of a bar each counts for; empty when all count for everything.
    pub updates: Vec<Updates>,
}

impl Trades {
    /// Trades in the batch.
    #[inline]
    pub fn len(&self) -> usize {
        self.ts_event.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ts_event.is_empty()
    }

    /// What one of them does.
    #[inline]
    pub fn trans_of(&self, row: usize) -> TransType {
        self.trans.get(row).copied().unwrap_or_default()
    }

    /// One of them.
    #[inline]
    pub fn row(&self, row: usize) -> Trade {
        Trade {
            ts_event: self.ts_event[row],
            symbol: self.symbol[row],
            price: self.price[row],
            size: self.size[row],
            offset: self.offset[row],
            trade_id: self.trade_id.get(row).copied().unwrap_or(TradeId::NONE),
            venue: self.venue.get(row).copied(),
            side: self.side.get(row).copied().unwrap_or_default(),
            trans: self.trans_of(row),
            updates: self.updates.get(row).copied().unwrap_or_default(),
        }
    }

    /// Appends one; an optional column that has had nothing stays empty as long as nothing comes of it. A trade
    /// without a venue, where others have one, is given `blank`.
    pub fn push(&mut self, trade: &Trade, blank: SymbolId) {
        let row = self.len();
        self.ts_event.push(trade.ts_event);
        self.symbol.push(trade.symbol);
        self.price.push(trade.price);
        self.size.push(trade.size);
        self.offset.push(trade.offset);
        if !self.trade_id.is_empty() || trade.trade_id != TradeId::NONE {
            self.trade_id.resize(row, TradeId::NONE);
            self.trade_id.push(trade.trade_id);
        }
        if self.venue.len() == row
            && let Some(venue) = trade.venue.or((row > 0).then_some(blank))
        {
            self.venue.push(venue);
        }
        if !self.side.is_empty() || trade.side != Side::Unknown {
            self.side.resize(row, Side::Unknown);
            self.side.push(trade.side);
        }
        if !self.trans.is_empty() || trade.trans != TransType::New {
            self.trans.resize(row, TransType::New);
            self.trans.push(trade.trans);
        }
        if !self.updates.is_empty() || trade.updates != Updates::ALL {
            self.updates.resize(row, Updates::ALL);
            self.updates.push(trade.updates);
        }
    }

    /// Appends rows of another batch, which has the same columns.
    pub fn extend_from(&mut self, other: &Trades, rows: Range<usize>) {
        fn extend<T: Copy>(to: &mut Vec<T>, from: &[T], rows: &Range<usize>) {
            // An optional column is empty or whole.
            to.extend_from_slice(from.get(rows.clone()).unwrap_or_default());
        }
        extend(&mut self.ts_event, &other.ts_event, &rows);
        extend(&mut self.symbol, &other.symbol, &rows);
        extend(&mut self.price, &other.price, &rows);
        extend(&mut self.size, &other.size, &rows);
        extend(&mut self.offset, &other.offset, &rows);
        extend(&mut self.trade_id, &other.trade_id, &rows);
        extend(&mut self.venue, &other.venue, &rows);
        extend(&mut self.side, &other.side, &rows);
        extend(&mut self.trans, &other.trans, &rows);
        extend(&mut self.updates, &other.updates, &rows);
    }

    /// Empties every column and keeps the buffers.
    pub fn clear(&mut self) {
        self.ts_event.clear();
        self.symbol.clear();
        self.price.clear();
        self.size.clear();
        self.offset.clear();
        self.trade_id.clear();
        self.venue.clear();
        self.side.clear();
        self.trans.clear();
        self.updates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_order_when_they_are_numbers() {
        assert!(TradeId::from_text(b"52983") > TradeId::from_text(b"9999"));
        assert_eq!(TradeId::from_text(b"52983"), TradeId::from_number(52983));
        assert_ne!(TradeId::from_text(b"052983"), TradeId::from_number(52983));
        assert_eq!(TradeId::from_text(b""), TradeId::NONE);
        assert!(!TradeId::from_text(b"a1-b2").is_number());
        assert_ne!(TradeId::from_text(b"a1-b2"), TradeId::from_text(b"a1-b3"));
        for text in ["52983", "a1-b2", "052983", "", "hash:12"] {
            let id = TradeId::from_text(text.as_bytes());
            assert_eq!(TradeId::from_text(id.to_string().as_bytes()), id, "{text}");
        }
    }

    #[test]
    fn offsets_rise_from_file_to_file() {
        assert!(Offset::in_file(1, 0) > Offset::in_file(0, u64::from(u32::MAX)));
        assert_eq!((Offset::in_file(3, 7).file(), Offset::in_file(3, 7).row()), (3, 7));
        assert_eq!(Offset::in_file(3, 7).message(), None);
    }

    #[test]
    fn offsets_in_a_topic_rise_and_come_after_those_of_files() {
        let last = Offset::in_message(Offset::MESSAGE_MAX, Offset::INDEX_MAX);
        assert_eq!(last.message(), Some((Offset::MESSAGE_MAX, Offset::INDEX_MAX)));
        assert!(last > Offset::in_message(1, 0));
        assert!(Offset::in_message(1, 0) > Offset::in_message(0, Offset::INDEX_MAX));
        assert!(Offset::in_message(0, 0) > Offset::in_file(1 << 22, 0));
        assert_eq!(Offset::in_message(7, 3).message(), Some((7, 3)));
    }
}
