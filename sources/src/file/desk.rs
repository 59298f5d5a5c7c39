//! What a decoder thread keeps between chunks: its symbol cache, buffers, and the flaws of a block.

use super::csv::Scratch;
use super::symbols::SymbolCache;
use crate::Decoded;
use crate::layout::{DayCache, MomentError};
use market::{FixedError, Reason, SymbolError, SymbolId, Symbols};
use std::sync::{Arc, Mutex, PoisonError};

/// Batches kept for their buffers, over all partitions of a run.
const SPARE_MAX: usize = 64;

/// Batches that came back, so that their buffers are used again; boxed as they travel.
#[derive(Clone, Default)]
#[expect(clippy::vec_box, reason = "batches are handed on boxed, and so come back")]
pub(crate) struct Spare(Arc<Mutex<Vec<Box<Decoded>>>>);

impl Spare {
    pub(crate) fn take(&self) -> Box<Decoded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn put(&self, mut batch: Box<Decoded>) {
        batch.clear();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(batch);
        }
    }
}

/// One decoder thread's own.
pub(crate) struct Desk {
    pub(crate) symbols: SymbolCache,
    pub(crate) flaws: Flaws,
    /// A cell that had to be rendered.
    pub(crate) text: Vec<u8>,
    /// The parts of a time.
    pub(crate) joined: Vec<u8>,
    pub(crate) day: DayCache,
    pub(crate) csv: Scratch,
    pub(crate) spare: Spare,
}

impl Desk {
    pub(crate) fn new(symbols: Symbols, spare: Spare) -> Self {
        Desk {
            symbols: SymbolCache::new(symbols),
            flaws: Flaws::default(),
            text: Vec::new(),
            joined: Vec::new(),
            day: DayCache::default(),
            csv: Scratch::default(),
            spare,
        }
    }
}

/// Why a field of a row could not be read.
pub(crate) struct Flaw {
    pub(crate) row: usize,
    pub(crate) reason: Reason,
    pub(crate) detail: String,
    /// Which field it was, whatever the reason.
    pub(crate) field: Reason,
    /// Whether a cancel can do without what is wrong.
    spare: bool,
}

/// The flaws of a block: at most one for each row and field.
#[derive(Default)]
pub(crate) struct Flaws(Vec<Flaw>);

impl Flaws {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cold]
    pub(crate) fn push(&mut self, row: usize, reason: Reason, detail: String) {
        let spare = matches!(reason, Reason::Time | Reason::Price | Reason::Size);
        self.0.push(Flaw { row, reason, detail, field: reason, spare });
    }

    /// Of what a cancel can do without.
    #[cold]
    pub(crate) fn push_spare(&mut self, row: usize, reason: Reason, detail: String) {
        self.0.push(Flaw { row, reason, detail, field: reason, spare: true });
    }

    #[cold]
    pub(crate) fn missing(&mut self, row: usize, name: &str, field: Reason) {
        let detail = format!("{name}: empty where a value was wanted");
        self.push(row, field, detail);
        if let Some(flaw) = self.0.last_mut() {
            flaw.reason = Reason::Missing;
        }
    }

    /// Forgets what a cancel can do without, of the rows that `is_cancel`.
    pub(crate) fn forgive(&mut self, is_cancel: impl Fn(usize) -> bool) {
        self.0.retain(|flaw| !(flaw.spare && is_cancel(flaw.row)));
    }

    /// A number; returns the raw value that stands for it until the row is taken out.
    #[cold]
    pub(crate) fn number(&mut self, row: usize, name: &str, field: Reason, error: FixedError) {
        match error {
            FixedError::Empty => self.missing(row, name, field),
            error => self.push(row, field, format!("{name}: {error}")),
        }
    }

    #[cold]
    pub(crate) fn time(&mut self, row: usize, error: Option<MomentError>) {
        let wanted = match error {
            None => return self.missing(row, "ts_event", Reason::Time),
            Some(MomentError::Malformed) => "not a time of the form that the layout says",
            Some(MomentError::Range) => "a time outside the years 1677 to 2262",
        };
        self.push(row, Reason::Time, format!("ts_event: {wanted}"));
    }

    #[cold]
    pub(crate) fn symbol(&mut self, row: usize, field: Reason, error: SymbolError) -> SymbolId {
        let name = if field == Reason::Symbol { "symbol" } else { "venue" };
        match error {
            SymbolError::Empty => self.missing(row, name, field),
            error => self.push(row, field, format!("{name}: {error}")),
        }
        SymbolId::default()
    }

    /// A text that no pair of a value map has.
    #[cold]
    pub(crate) fn unmapped<T>(&mut self, row: usize, field: Reason, blank: T) -> T {
        self.push(row, field, "a value that the map of the layout does not have".to_owned());
        blank
    }

    /// The flaws of each row together, in the order the fields were read.
    pub(crate) fn by_row(&mut self) -> impl Iterator<Item = &[Flaw]> {
        self.0.sort_by_key(|flaw| flaw.row);
        self.0.chunk_by(|a, b| a.row == b.row)
    }
}
