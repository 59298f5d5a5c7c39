//! Trades in messages: JSON (one, or a list of them) and Arrow, decoded into columns and encoded from them.
//!
//! A decoder belongs to one partition of a topic. Messages are handed to it in order, and when a batch is
//! full or no message waits, [`Decoder::finish`] makes it whole. A record's meaning depends on its own
//! message alone. What cannot be decoded is kept as it came.

mod arrow;
#[cfg(test)]
mod corrections_tests;
mod encode;
mod json;
mod records;
mod scan;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod tests;

use crate::file::desk::{Desk, Spare};
use crate::file::raw::printable;
use crate::layout::{Bound, Layout, LayoutError};
use crate::{Decoded, Heartbeat, RawRecords, Undecoded};
use arrow::Arrow;
pub(crate) use encode::Object;
pub use encode::{EncodeError, Encoder};
use json::Json;
use market::{Offset, Reason, Symbols, Time};
use std::fmt;
use std::str::FromStr;

/// Bytes a message may have.
const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Records a message may have.
const RECORDS_MAX: usize = crate::kafka::RECORDS_MAX as usize;
/// Rows of a batch that is full.
const BATCH_ROWS: usize = 1 << 14;
/// Bytes of messages of a batch that is full.
const BATCH_BYTES: usize = 16 << 20;

/// How trades stand in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// An object, or a list of objects.
    #[default]
    Json,
    /// A stream of Arrow's inter-process format.
    Arrow,
}

/// A name that is no codec's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("codec \"{0}\": wanted json or arrow")]
pub struct CodecError(String);

impl FromStr for Codec {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        match text {
            "json" => Ok(Codec::Json),
            "arrow" => Ok(Codec::Arrow),
            other => Err(CodecError(other.escape_debug().to_string())),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::Json => "json",
            Codec::Arrow => "arrow",
        })
    }
}

/// A message of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `@key`.
    pub key: Option<&'a [u8]>,
    /// What it says; none in a tombstone.
    pub payload: Option<&'a [u8]>,
    /// `@topic`.
    pub topic: &'a str,
    /// `@timestamp`.
    pub timestamp_ms: Option<i64>,
    /// Its place in the partition.
    pub offset: u64,
}

/// Why a message is refused as a whole.
struct Refused {
    reason: Reason,
    detail: String,
}

impl Refused {
    fn malformed(detail: String) -> Self {
        Refused { reason: Reason::Malformed, detail }
    }
}

enum Form {
    Json(Box<Json>),
    Arrow(Box<Arrow>),
}

/// Decodes the messages of one partition.
pub struct Decoder {
    desk: Desk,
    form: Form,
}

impl Decoder {
    /// A decoder of `codec` for messages laid out as `layout` says: names in it are paths into JSON or
    /// columns of Arrow, or `@key`, `@topic` and `@timestamp`.
    ///
    /// # Errors
    /// Refuses a layout that names a field twice.
    pub fn new(codec: Codec, layout: &Layout, symbols: &Symbols) -> Result<Self, LayoutError> {
        let desk = Desk::new(symbols.clone(), Spare::default());
        let layout = layout.of_messages();
        let form = match codec {
            Codec::Json => {
                let (bound, columns) = Bound::open(&layout)?;
                Form::Json(Box::new(Json::new(bound, columns)))
            }
            Codec::Arrow => Form::Arrow(Box::new(Arrow::new(layout))),
        };
        Ok(Decoder { desk, form })
    }

    /// Appends what `message` says to `into`, which is the same from one [`Decoder::finish`] to the next
    /// and begins empty. Rows may wait for the finish.
    pub fn decode(&mut self, message: &Message<'_>, into: &mut Decoded) {
        let outcome = match message.payload {
            None => Err(missing("a tombstone: a message without a value")),
            Some([]) => Err(missing("an empty value")),
            Some(payload) if payload.len() > MESSAGE_BYTES_MAX => Err(Refused::malformed(format!(
                "{} bytes in a message, at most {MESSAGE_BYTES_MAX} are read",
                payload.len()
            ))),
            Some(payload) => match heartbeat(payload) {
                Some(Ok(time)) => {
                    let offset = Offset::in_message(message.offset, 0);
                    into.heartbeats.push(Heartbeat { before_row: 0, offset, time });
                    Ok(())
                }
                Some(Err(refused)) => Err(refused),
                None => self.take(message, payload, into),
            },
        };
        if let Err(Refused { reason, detail }) = outcome {
            into.undecoded.push(Undecoded {
                before_row: 0,
                offset: Offset::in_message(message.offset, 0),
                reason,
                detail,
                raw: printable(message.payload.unwrap_or_default()),
                symbol: None,
                ts_event: None,
            });
        }
    }

    fn take(
        &mut self,
        message: &Message<'_>,
        payload: &[u8],
        into: &mut Decoded,
    ) -> Result<(), Refused> {
        match &mut self.form {
            Form::Json(json) => {
                if json.is_empty() && into.trades.is_empty() {
                    json::begin(into);
                }
                let RawRecords::Lines { bytes, .. } = &mut into.raw else {
                    return Err(Refused::malformed("wanted a batch of text".to_owned()));
                };
                json.take(message, payload, bytes)?;
                if json.is_full() {
                    json.finish(&mut self.desk, into);
                }
                Ok(())
            }
            Form::Arrow(arrow) => arrow.take(message, payload, &mut self.desk, into),
        }
    }

    /// Whether the batch has as many rows or bytes as one should: it is to be finished and handed on.
    pub fn is_full(&self, into: &Decoded) -> bool {
        let bytes = match &into.raw {
            RawRecords::Lines { bytes, .. } => bytes.len(),
            RawRecords::Columns => 0,
        };
        let others = into.undecoded.len() + into.heartbeats.len();
        into.trades.len() + others >= BATCH_ROWS || bytes >= BATCH_BYTES
    }

    /// Makes the batch whole: every row is in its columns, every other record in its place among them.
    pub fn finish(&mut self, into: &mut Decoded) {
        if let Form::Json(json) = &mut self.form
            && !json.is_empty()
        {
            json.finish(&mut self.desk, into);
        }
        let Decoded { trades, undecoded, heartbeats, orders, .. } = into;
        let place = |offset: Offset| trades.offset.partition_point(|&row| row < offset) as u32;
        undecoded.sort_by_key(|record| record.offset);
        undecoded.iter_mut().for_each(|record| record.before_row = place(record.offset));
        heartbeats.iter_mut().for_each(|beat| beat.before_row = place(beat.offset));
        orders.iter_mut().for_each(|order| order.before_row = place(order.offset));
    }

    /// Rows that the layout's filter dropped so far: they are no records and count nowhere else.
    pub fn filtered(&self) -> u64 {
        match &self.form {
            Form::Json(json) => json.filtered,
            Form::Arrow(arrow) => arrow.filtered,
        }
    }
}

fn missing(detail: &str) -> Refused {
    Refused { reason: Reason::Missing, detail: detail.to_owned() }
}

/// The time of `{"heartbeat":NS}`; nothing when the message is another.
fn heartbeat(payload: &[u8]) -> Option<Result<Time, Refused>> {
    let inner = payload.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    if !inner.starts_with(b"\"heartbeat\"") {
        return None;
    }
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(payload).ok()?;
    let time = fields.get("heartbeat").filter(|_| fields.len() == 1)?;
    let ns = time.as_i64().or_else(|| time.as_str().and_then(|text| text.parse().ok()));
    let refused = || Refused {
        reason: Reason::Time,
        detail: "heartbeat: wanted a whole number of nanoseconds".to_owned(),
    };
    Some(ns.map(Time::from_ns).ok_or_else(refused))
}
