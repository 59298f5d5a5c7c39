//! Trades into messages: JSON (one, or a list of them) and Arrow, which the decoders of this folder read
//! back as what they were, but for what they count for: that is the reader's to say, by the conditions that it
//! looks at.
//!
//! A correction says what it is. A cancel has its symbol, venue and id alone: in Arrow the others are null.

use super::Codec;
use arrow_array::types::{ArrowPrimitiveType, Int32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, PrimitiveArray, RecordBatch,
    StringArray, TimestampNanosecondArray,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use market::{Decimal, Side, SymbolId, Symbols, Time, TradeId, Trades, TransType};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// Why rows could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The library of the format refused them.
    #[error("encoding Arrow: {0}")]
    Arrow(#[from] ArrowError),
}

/// A venue that stands for none.
const NO_VENUE: &str = "-";

/// Encodes trades into the values of messages.
pub struct Encoder {
    codec: Codec,
    symbols: Symbols,
    texts: Vec<Arc<str>>,
    line: String,
}

impl Encoder {
    /// An encoder into `codec`.
    pub fn new(codec: Codec, symbols: &Symbols) -> Self {
        Encoder { codec, symbols: symbols.clone(), texts: Vec::new(), line: String::new() }
    }

    /// The text of a symbol, without the lock of the table where it is known.
    pub fn text(&mut self, id: SymbolId) -> &Arc<str> {
        if id.index() >= self.texts.len() {
            self.texts.extend(self.symbols.texts_from(self.texts.len()));
        }
        &self.texts[id.index()]
    }

    /// Appends `rows` of `trades` to `to` as one message: in JSON an object when there is one, else a list.
    ///
    /// # Errors
    /// Fails where the format's library does.
    pub fn encode(
        &mut self,
        trades: &Trades,
        rows: Range<usize>,
        to: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self.codec {
            Codec::Json if rows.len() == 1 => self.object(trades, rows.start, to),
            Codec::Json => {
                to.push(b'[');
                for row in rows.clone() {
                    if row > rows.start {
                        to.push(b',');
                    }
                    self.object(trades, row, to);
                }
                to.push(b']');
            }
            Codec::Arrow => {
                let batch = self.batch(trades, rows)?;
                let mut writer = StreamWriter::try_new(to, &batch.schema())?;
                writer.write(&batch)?;
                writer.finish()?;
            }
        }
        Ok(())
    }

    /// A heartbeat: the same in every codec.
    pub fn heartbeat(time: Time, to: &mut Vec<u8>) {
        to.extend_from_slice(format!("{{\"heartbeat\":{}}}", time.ns()).as_bytes());
    }

    fn object(&mut self, trades: &Trades, row: usize, to: &mut Vec<u8>) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let (symbol, scales) = (trades.symbol[row], self.symbols.scales(trades.symbol[row]));
        let symbol = Arc::clone(self.text(symbol));
        let venue = trades.venue.get(row).map(|&venue| Arc::clone(self.text(venue)));
        let object = Object {
            symbol: &symbol,
            ts_event: trades.ts_event[row],
            price: trades.price[row].decimal(scales.price),
            size: trades.size[row].decimal(scales.size),
            trade_id: trades.trade_id.get(row).copied().unwrap_or(TradeId::NONE),
            side: trades.side.get(row).copied().unwrap_or_default(),
            venue: venue.as_deref().filter(|venue| *venue != NO_VENUE),
        };
        object.write(trades.trans_of(row), &mut line);
        to.extend_from_slice(line.as_bytes());
        self.line = line;
    }

    fn batch(&mut self, trades: &Trades, rows: Range<usize>) -> Result<RecordBatch, ArrowError> {
        let says = |row: usize| (trades.trans_of(row) != TransType::Cancel).then_some(true);
        let cancels = rows.clone().any(|row| says(row).is_none());
        let says: Option<BooleanArray> = cancels.then(|| rows.clone().map(says).collect());
        let times: Vec<i64> = trades.ts_event[rows.clone()].iter().map(|time| time.ns()).collect();
        let times: TimestampNanosecondArray = nullable(times, &says);
        let prices = |symbols: &Symbols, row: usize| {
            trades.price[row].decimal(symbols.scales(trades.symbol[row]).price)
        };
        let sizes = |symbols: &Symbols, row: usize| {
            trades.size[row].decimal(symbols.scales(trades.symbol[row]).size)
        };
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("symbol", self.names(&trades.symbol[rows.clone()])),
            ("ts_event", Arc::new(times.with_timezone("UTC"))),
            ("price", self.decimals(rows.clone(), &says, prices)?),
            ("size", self.decimals(rows.clone(), &says, sizes)?),
        ];
        if !trades.trade_id.is_empty() {
            let id = |&id: &TradeId| match id {
                TradeId::NONE => None,
                id => Some(id.to_string()),
            };
            columns.push((
                "trade_id",
                Arc::new(trades.trade_id[rows.clone()].iter().map(id).collect::<StringArray>()),
            ));
        }
        if !trades.side.is_empty() {
            let side = |side: &Side| match side {
                Side::Ask => "A",
                Side::Bid => "B",
                Side::Unknown => "N",
            };
            let sides = trades.side[rows.clone()].iter().map(side);
            let sides: DictionaryArray<Int32Type> = sides.collect();
            columns.push(("side", Arc::new(sides)));
        }
        if !trades.venue.is_empty() {
            columns.push(("venue", self.names(&trades.venue[rows.clone()])));
        }
        if rows.clone().any(|row| trades.trans_of(row) != TransType::New) {
            let names = rows.map(|row| trades.trans_of(row).name());
            let names: DictionaryArray<Int32Type> = names.collect();
            columns.push(("trans_type", Arc::new(names)));
        }
        RecordBatch::try_from_iter(columns)
    }

    fn names(&mut self, ids: &[SymbolId]) -> ArrayRef {
        let texts: Vec<Arc<str>> = ids.iter().map(|&id| Arc::clone(self.text(id))).collect();
        let names: DictionaryArray<Int32Type> = texts.iter().map(|text| &**text).collect();
        Arc::new(names)
    }

    /// Numbers at the greatest scale of their rows, exactly: 64 bits times 10^18 is less than 2^127.
    fn decimals(
        &self,
        rows: Range<usize>,
        says: &Option<BooleanArray>,
        of: impl Fn(&Symbols, usize) -> Decimal,
    ) -> Result<ArrayRef, ArrowError> {
        let numbers: Vec<Decimal> = rows.map(|row| of(&self.symbols, row)).collect();
        let digits = numbers.iter().map(|number| number.scale.digits()).max().unwrap_or(9);
        let raw =
            |number: &Decimal| number.raw * 10i128.pow(u32::from(digits - number.scale.digits()));
        let values: Vec<i128> = numbers.iter().map(raw).collect();
        let values: Decimal128Array = nullable(values, says);
        Ok(Arc::new(values.with_precision_and_scale(38, digits as i8)?))
    }
}

/// Values of which some count for nothing.
fn nullable<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    says: &Option<BooleanArray>,
) -> PrimitiveArray<T> {
    let nulls = says.as_ref().and_then(|says| says.nulls().cloned());
    PrimitiveArray::new(values.into(), nulls)
}

/// A trade with its texts and scales.
pub(crate) struct Object<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) ts_event: Time,
    pub(crate) price: Decimal,
    pub(crate) size: Decimal,
    pub(crate) trade_id: TradeId,
    pub(crate) side: Side,
    pub(crate) venue: Option<&'a str>,
}

impl Object<'_> {
    /// Appends the JSON trade or correction.
    pub(crate) fn write(&self, trans: TransType, to: &mut String) {
        to.push_str("{\"symbol\":");
        quote(to, self.symbol);
        if trans != TransType::Cancel {
            let (ts, price, size) = (self.ts_event.ns(), self.price, self.size);
            // Writing to a text cannot fail.
            let _ = write!(to, ",\"ts_event\":{ts},\"price\":{price},\"size\":{size}");
        }
        if self.trade_id != TradeId::NONE {
            let _ = write!(to, ",\"trade_id\":\"{}\"", self.trade_id);
        }
        match self.side {
            _ if trans == TransType::Cancel => {}
            Side::Ask => to.push_str(",\"side\":\"A\""),
            Side::Bid => to.push_str(",\"side\":\"B\""),
            Side::Unknown => {}
        }
        if trans != TransType::New {
            let _ = write!(to, ",\"trans_type\":\"{}\"", trans.name());
        }
        if let Some(venue) = self.venue {
            to.push_str(",\"venue\":");
            quote(to, venue);
        }
        to.push('}');
    }
}

/// Appends a JSON string. Symbols hold no control characters.
fn quote(to: &mut String, text: &str) {
    to.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            to.push('\\');
        }
        to.push(c);
    }
    to.push('"');
}
