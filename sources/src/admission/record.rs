//! One record out of the columns, for the few that are judged one by one, and the letter of a refused one.

use super::outlier::Level;
use super::{OutlierMode, OutlierRule};
use crate::codec::Object;
use crate::{Decoded, RawRecords};
use market::{DeadLetter, Epoch, Offset, Price, Reason, Side, Size, SymbolId, Symbols};
use market::{Time, Trade, TradeId, Trades, TransType, Updates};
use std::fmt::Write;

/// Bytes of a raw record that a letter keeps.
const RAW_BYTES_MAX: usize = 4_096;

/// A trade, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) ts: i64,
    pub(super) symbol: SymbolId,
    pub(super) price: Price,
    pub(super) size: Size,
    pub(super) offset: Offset,
    pub(super) id: TradeId,
    pub(super) venue: Option<SymbolId>,
    pub(super) side: Side,
    pub(super) trans: TransType,
    pub(super) updates: Updates,
}

/// Why a record is refused, and in words.
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, detail: String) -> Self {
        Refusal { reason, detail }
    }

    pub(super) fn duplicate() -> Self {
        let detail = "trade_id was admitted before, wanted one of its own within the horizon";
        Refusal::new(Reason::Duplicate, detail.to_owned())
    }
}

impl Record {
    pub(super) fn at(trades: &Trades, row: usize) -> Self {
        Record::of(&trades.row(row))
    }

    pub(super) fn of(trade: &Trade) -> Self {
        Record {
            ts: trade.ts_event.ns(),
            symbol: trade.symbol,
            price: trade.price,
            size: trade.size,
            offset: trade.offset,
            id: trade.trade_id,
            venue: trade.venue,
            side: trade.side,
            trans: trade.trans,
            updates: trade.updates,
        }
    }

    /// Whether `other` says the same: the same time and id, or with no id the same in all fields.
    pub(super) fn is_copy_of(&self, other: &Record) -> bool {
        let named = |r: &Record| (r.ts, r.symbol, r.venue, r.id);
        let said = |r: &Record| (r.price, r.size, r.side);
        named(self) == named(other) && (self.id != TradeId::NONE || said(self) == said(other))
    }

    /// Appends it as a row; says which.
    pub(super) fn append_to(&self, trades: &mut Trades, blank: SymbolId) -> u32 {
        let Record { symbol, price, size, offset, venue, side, trans, updates, .. } = *self;
        let (ts_event, trade_id) = (Time::from_ns(self.ts), self.id);
        let trade =
            Trade { ts_event, symbol, price, size, offset, trade_id, venue, side, trans, updates };
        trades.push(&trade, blank);
        trades.len() as u32 - 1
    }

    /// Whether its price is flagged as an outlier against the level of its symbol, which takes it in.
    pub(super) fn check_price(
        &self,
        level: &mut Level,
        rule: &OutlierRule,
        symbols: &Symbols,
    ) -> Result<bool, Refusal> {
        let before = Price::from_raw(level.level);
        if rule.mode == OutlierMode::Off || !level.judge(self.price.raw(), rule) {
            return Ok(false);
        }
        if rule.mode == OutlierMode::Flag {
            return Ok(true);
        }
        let scale = symbols.scales(self.symbol).price;
        let (price, before) = (self.price.decimal(scale), before.decimal(scale));
        let detail = format!("price {price}, wanted one near {before}");
        Err(Refusal::new(Reason::Outlier, detail))
    }

    /// The record as the JSON trade.
    pub(super) fn json(&self, symbols: &Symbols) -> String {
        let scales = symbols.scales(self.symbol);
        let (symbol, venue) = (symbols.text(self.symbol), self.venue.map(|id| symbols.text(id)));
        let mut text = String::new();
        let object = Object {
            symbol: &symbol,
            ts_event: Time::from_ns(self.ts),
            price: self.price.decimal(scales.price),
            size: self.size.decimal(scales.size),
            trade_id: self.id,
            side: self.side,
            venue: venue.as_deref(),
        };
        object.write(self.trans, &mut text);
        text
    }

    /// The letter of this record, refused. The source is named by who knows the feed.
    pub(super) fn letter(
        &self,
        refusal: Refusal,
        place: (Epoch, u32),
        raw: String,
        symbols: &Symbols,
    ) -> DeadLetter {
        DeadLetter {
            epoch: place.0,
            partition: place.1,
            source: String::new(),
            offset: self.offset,
            reason: refusal.reason,
            detail: refusal.detail,
            raw,
            symbol: Some(symbols.text(self.symbol).as_ref().to_owned()),
            // What takes a trade back has no time of its own.
            ts_event: (self.trans != TransType::Cancel).then(|| Time::from_ns(self.ts)),
        }
    }
}

/// The text of a row as it was read, or the JSON trade where it was not text.
pub(super) fn raw_text(batch: &Decoded, row: usize, record: &Record, symbols: &Symbols) -> String {
    let RawRecords::Lines { bytes, starts } = &batch.raw else { return record.json(symbols) };
    let Some(rest) = starts.get(row).and_then(|&start| bytes.get(start as usize..)) else {
        return record.json(symbols);
    };
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    printable(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Bytes as text: what is not UTF-8 as `\xNN`; cut at 4 KiB.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes[..bytes.len().min(RAW_BYTES_MAX)].utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if text.len() > RAW_BYTES_MAX {
        let end = (0..=RAW_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or_default());
    }
    text
}
