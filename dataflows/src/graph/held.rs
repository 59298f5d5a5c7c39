//! A batch in hand of which some epochs may not be entered yet: folded run by run, kept in a checkpoint.

use crate::wire::{Parcel, Shared};
use market::{Admitted, DeadLetter, Epoch, Offset, Price, Run, Size, Time};
use operators::{Restore, Snapshot};
use timely::bytes::arc::BytesMut;
use timely::dataflow::channels::ContainerBytes;

/// An admitted batch, as far as it is not folded.
pub(super) struct Held {
    pub batch: Box<Admitted>,
    /// The next run.
    pub next: usize,
    /// Letters of the batch, which have gone out: a cut before their epoch sends them again.
    pub letters: Vec<DeadLetter>,
}

impl Held {
    pub fn new(mut batch: Box<Admitted>) -> Self {
        let letters = std::mem::take(&mut batch.letters);
        Held { batch, next: 0, letters }
    }

    /// The next run, if there is one.
    pub fn run(&self) -> Option<&Run> {
        self.batch.runs.get(self.next)
    }

    /// Appends what is left: runs, and their rows as the fold takes them.
    pub fn save(&self, to: &mut Snapshot) {
        let runs = &self.batch.runs[self.next..];
        to.u64(runs.len() as u64);
        for run in runs {
            to.i64(run.epoch);
            to.u64(u64::from(run.rows.end - run.rows.start));
            for row in run.rows.clone().map(|row| row as usize) {
                let trades = &self.batch.trades;
                to.i64(trades.ts_event[row].ns());
                to.symbol(trades.symbol[row]);
                to.i64(trades.price[row].raw());
                to.i64(trades.size[row].raw());
                to.u64(trades.offset[row].raw());
            }
        }
    }

    /// Reads back what [`Held::save`] wrote.
    pub fn load(from: &mut Restore<'_>) -> Self {
        let mut batch = Box::<Admitted>::default();
        for _ in 0..from.u64() {
            let (epoch, rows) = (from.i64(), from.u64() as u32);
            let start = batch.trades.len() as u32;
            batch.runs.push(Run { epoch, rows: start..start + rows });
            for _ in 0..rows {
                batch.trades.ts_event.push(Time::from_ns(from.i64()));
                batch.trades.symbol.push(from.symbol());
                batch.trades.price.push(Price::from_raw(from.i64()));
                batch.trades.size.push(Size::from_raw(from.i64()));
                batch.trades.offset.push(Offset::from_raw(from.u64()));
            }
        }
        Held { batch, next: 0, letters: Vec::new() }
    }
}

/// The letters of `held` that belong to `epoch` or later, as bytes.
pub(super) fn save_letters(held: Option<&Held>, epoch: Epoch) -> Vec<u8> {
    let letters = held.into_iter().flat_map(|held| &held.letters);
    let letters = letters.filter(|letter| letter.epoch >= epoch).cloned().collect();
    let mut bytes = Vec::new();
    Shared::from(Parcel::Letters(letters)).into_bytes(&mut bytes);
    bytes
}

/// Reads back what [`save_letters`] wrote.
pub(super) fn load_letters(bytes: &[u8]) -> Parcel {
    let bytes = BytesMut::from(bytes.to_vec()).freeze();
    let shared = Shared::from_bytes(bytes);
    std::sync::Arc::unwrap_or_clone(shared.0)
}
