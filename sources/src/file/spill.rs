//! Sorted runs of rows in temporary files, and their merge.
//!
//! A file loses its name as soon as it is open, so nothing is left behind however the process ends.

use market::{Price, Side, Size, SymbolId, Time, TradeId, TransType, Updates};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs that are open at a time; at so many they are merged into one.
pub(super) const MERGED_MAX: usize = 64;
/// Bytes a run is read or written at once.
const BUFFER_BYTES: usize = 1 << 18;
/// Bytes of a row in a file.
const ROW_BYTES: usize = 49;

/// One row of a trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// By which it is sorted: its event time, or that of the row before it where it has none.
    pub(super) at: Time,
    pub(super) symbol: SymbolId,
    pub(super) price: Price,
    pub(super) size: Size,
    pub(super) trade_id: TradeId,
    pub(super) venue: SymbolId,
    pub(super) side: Side,
    pub(super) trans: TransType,
    pub(super) updates: Updates,
}

impl Row {
    /// Sorts trades before corrections of the same time, which may be theirs.
    pub(super) fn key(&self) -> (Time, bool) {
        (self.at, self.trans != TransType::New)
    }

    fn to_bytes(self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&self.at.ns().to_le_bytes());
        bytes[8..16].copy_from_slice(&self.price.raw().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.size.raw().to_le_bytes());
        bytes[24..40].copy_from_slice(&self.trade_id.raw().to_le_bytes());
        bytes[40..44].copy_from_slice(&(self.symbol.index() as u32).to_le_bytes());
        bytes[44..48].copy_from_slice(&(self.venue.index() as u32).to_le_bytes());
        bytes[48] = self.side as u8 | (self.trans as u8) << 2 | self.updates.code() << 4;
        bytes
    }

    fn from_bytes(bytes: &[u8; ROW_BYTES]) -> Row {
        fn part<const N: usize>(bytes: &[u8; ROW_BYTES], at: usize) -> [u8; N] {
            std::array::from_fn(|k| bytes[at + k])
        }
        let long = |at| i64::from_le_bytes(part(bytes, at));
        let short = |at| SymbolId::from_index(u32::from_le_bytes(part(bytes, at)));
        let packed = u64::from(bytes[48]);
        Row {
            at: Time::from_ns(long(0)),
            price: Price::from_raw(long(8)),
            size: Size::from_raw(long(16)),
            trade_id: TradeId::from_raw(u128::from_le_bytes(part(bytes, 24))),
            symbol: short(40),
            venue: short(44),
            side: Side::of_code(packed & 3).unwrap_or_default(),
            trans: TransType::of_code(packed >> 2 & 3).unwrap_or_default(),
            updates: Updates::of_code(packed >> 4).unwrap_or_default(),
        }
    }
}

/// Rows sorted by time, in a file.
pub(super) struct Run {
    input: BufReader<File>,
}

impl Run {
    pub(super) fn write(rows: impl Iterator<Item = Row>) -> io::Result<Run> {
        Run::try_write(rows.map(Ok))
    }

    /// One run of several.
    pub(super) fn merged(runs: Vec<Run>) -> io::Result<Run> {
        Run::try_write(merge(runs)?)
    }

    fn try_write(rows: impl Iterator<Item = io::Result<Row>>) -> io::Result<Run> {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, unnamed()?);
        for row in rows {
            output.write_all(&row?.to_bytes())?;
        }
        let mut file = output.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Run { input: BufReader::with_capacity(BUFFER_BYTES, file) })
    }

    fn next(&mut self) -> io::Result<Option<Row>> {
        let mut bytes = [0; ROW_BYTES];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(Row::from_bytes(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn unnamed() -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("tidemill-sort-{}-{number}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// The rows of all runs by time, those of an earlier run first where times are equal.
pub(super) fn merge(mut runs: Vec<Run>) -> io::Result<impl Iterator<Item = io::Result<Row>>> {
    let mut heads: Vec<Option<Row>> = Vec::with_capacity(runs.len());
    let mut least = BinaryHeap::with_capacity(runs.len());
    for (k, run) in runs.iter_mut().enumerate() {
        let head = run.next()?;
        least.extend(head.map(|row| Reverse((row.key(), k))));
        heads.push(head);
    }
    Ok(std::iter::from_fn(move || {
        let Reverse((_, k)) = least.pop()?;
        let row = heads[k].take()?;
        match runs[k].next() {
            Ok(head) => {
                least.extend(head.map(|row| Reverse((row.key(), k))));
                heads[k] = head;
                Some(Ok(row))
            }
            Err(error) => Some(Err(error)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_is_itself_in_a_file(
            (at, price, size) in any::<(i64, i64, i64)>(),
            id: u128,
            (symbol, venue) in any::<(u32, u32)>(),
            (side, trans, updates) in (0..3u64, 0..3u64, 0..8u64),
        ) {
            let row = Row {
                at: Time::from_ns(at),
                symbol: SymbolId::from_index(symbol),
                price: Price::from_raw(price),
                size: Size::from_raw(size),
                trade_id: TradeId::from_raw(id),
                venue: SymbolId::from_index(venue),
                side: Side::of_code(side).unwrap(),
                trans: TransType::of_code(trans).unwrap(),
                updates: Updates::of_code(updates).unwrap(),
            };
            prop_assert_eq!(Row::from_bytes(&row.to_bytes()), row);
        }
    }
}
