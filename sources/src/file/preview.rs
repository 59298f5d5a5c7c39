//! The first rows of a file as they are understood, and the decoder as a function of bytes.

use super::csv::{Chunk, PAD, Shape, decode_chunk, read_head};
use super::desk::{Desk, Spare};
use super::{FileError, FileOrder, FilePartition, FileSource, fail};
use crate::layout::{Bound, Layout, LayoutOptions};
use crate::{Decoded, Fed};
use market::{Decimal, Offset, Reason, Side, Symbols, Time, TransType};
use std::path::Path;
use std::sync::Arc;

/// One row of a file as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Previewed {
    /// A trade or a correction.
    Trade {
        /// Its number in the file.
        row: u64,
        /// Event time.
        ts_event: Time,
        /// Symbol.
        symbol: String,
        /// Price.
        price: Decimal,
        /// Size.
        size: Decimal,
        /// Aggressor, where the file says it.
        side: Option<Side>,
        /// What it does; of a cancel, time, price and size say nothing.
        trans: TransType,
    },
    /// A record that cannot be read.
    Refused {
        /// Its number in the file.
        row: u64,
        /// Why.
        reason: Reason,
        /// What was given and wanted.
        detail: String,
        /// As it came.
        raw: String,
    },
}

/// The first `count` records of a file.
///
/// # Errors
/// As reading the file would.
pub fn preview(
    path: &str,
    layout: &LayoutOptions,
    count: usize,
) -> Result<Vec<Previewed>, FileError> {
    let source = FileSource {
        paths: vec![path.to_owned()],
        layout: layout.clone(),
        order: FileOrder::Log,
        partition: FilePartition::File,
        threads: 1,
        lateness_ns: 0,
    };
    let symbols = Symbols::default();
    let mut rows = Vec::new();
    for open in source.check()?.open(&symbols)? {
        let mut feed = open()?;
        let thread = std::thread::current();
        feed.wake_by(Arc::new(move || thread.unpark()));
        while rows.len() < count {
            match feed.poll()? {
                Fed::Batch(batch) => show(&batch, &symbols, count - rows.len(), &mut rows),
                Fed::Pending => std::thread::park(),
                Fed::End => break,
            }
        }
    }
    Ok(rows)
}

fn show(batch: &Decoded, symbols: &Symbols, count: usize, out: &mut Vec<Previewed>) {
    let t = &batch.trades;
    let trade = |k: usize| {
        let scales = symbols.scales(t.symbol[k]);
        let shown = Previewed::Trade {
            row: t.offset[k].row(),
            ts_event: t.ts_event[k],
            symbol: symbols.text(t.symbol[k]).to_string(),
            price: t.price[k].decimal(scales.price),
            size: t.size[k].decimal(scales.size),
            side: t.side.get(k).copied(),
            trans: t.trans_of(k),
        };
        (t.offset[k], shown)
    };
    let mut shown: Vec<(Offset, Previewed)> = (0..t.len().min(count)).map(trade).collect();
    shown.extend(batch.undecoded.iter().take(count).map(|record| {
        let (detail, raw) = (record.detail.clone(), record.raw.clone());
        let row = record.offset.row();
        (record.offset, Previewed::Refused { row, reason: record.reason, detail, raw })
    }));
    shown.sort_by_key(|(offset, _)| *offset);
    out.extend(shown.into_iter().take(count).map(|(_, row)| row));
}

/// Decodes CSV text that is in memory, header and all.
///
/// # Errors
/// Refuses a header that the layout does not fit.
pub fn decode_csv(bytes: &[u8], layout: &Layout, symbols: &Symbols) -> Result<Decoded, FileError> {
    let mut input = bytes;
    let head = read_head(&mut input, layout)
        .map_err(|error| fail(Path::new("memory"), &error.to_string()))?;
    if head.columns.is_empty() {
        return Ok(Decoded::default());
    }
    let bound = Bound::new(layout, &head.columns)?;
    let shape = Shape::new(layout, head.columns.len(), bound);
    let mut text = vec![b'\n'; PAD];
    text.extend_from_slice(&bytes[head.data_start as usize..]);
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let to = text.len();
    let chunk = Chunk { bytes: text, from: PAD, to, is_cut: false };
    let mut desk = Desk::new(symbols.clone(), Spare::default());
    Ok(*decode_chunk(chunk, &shape, &mut desk).batch)
}
