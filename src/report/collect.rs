//! The sink behind a report: final bars and indicators by symbol and width, what a revised bar was
//! first, and refused records by reason with an example of each. What was removed leaves it.

use market::{Bar, Body, Change, DeadLetter, Rows, Scales, Sink, SinkError, Time, Width};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// Symbols a report shows; later ones are left out of it.
pub const SYMBOLS_MAX: usize = 60;
/// Bars of a symbol and width that a report shows; the first ones are kept.
pub const BARS_MAX: usize = 20_000;

/// What a report is made from.
#[derive(Debug, Default)]
pub struct Collected {
    /// Bars by symbol, then width.
    pub symbols: BTreeMap<Arc<str>, BTreeMap<Width, Series>>,
    /// Names of the indicators' columns.
    pub columns: Vec<String>,
    /// Refused records by reason: how many, and the first one.
    pub refused: BTreeMap<&'static str, (u64, DeadLetter)>,
    /// Rows left out because of the limits.
    pub left_out: u64,
}

/// Bars of one symbol and width in order of time.
#[derive(Debug)]
pub struct Series {
    /// The symbol's scales.
    pub scales: Scales,
    /// By start.
    pub bars: BTreeMap<Time, Entry>,
}

/// A bar with what belongs to it.
#[derive(Debug)]
pub struct Entry {
    /// As it is.
    pub bar: Bar,
    /// As it was when it was made, where that differs.
    pub first: Option<Bar>,
    /// Corrections.
    pub revision: u32,
    /// When the newest value could have been known.
    pub known_at: Time,
    /// One value a column; NaN while warming up.
    pub indicators: Vec<f64>,
}

/// The sink; clones share what they collect.
#[derive(Clone, Debug, Default)]
pub struct Collector(Arc<Mutex<Collected>>);

impl Collector {
    /// What was collected so far.
    pub fn collected(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Sink for Collector {
    fn name(&self) -> &str {
        "report"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let mut collected = self.collected();
        let mut texts: HashMap<market::SymbolId, Arc<str>> = HashMap::new();
        if let Body::Floats { .. } = rows.body
            && collected.columns.is_empty()
        {
            collected.columns =
                rows.table.columns.iter().map(|column| column.name.clone()).collect();
        }
        for row in 0..rows.len() {
            let id = rows.keys[row].symbol;
            let text = texts.entry(id).or_insert_with(|| rows.symbols.text(id));
            if rows.keys[row].is_removed() {
                collected.remove(rows, row, text);
            } else if !collected.take(rows, row, text) {
                collected.left_out += 1;
            }
        }
        Ok(())
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        let mut collected = self.collected();
        for letter in letters {
            let known = collected.refused.entry(letter.reason.code());
            known.or_insert_with(|| (0, letter.clone())).0 += 1;
        }
        Ok(())
    }
}

impl Collected {
    /// Takes in a row, unless a limit is reached.
    fn take(&mut self, rows: &Rows, row: usize, symbol: &Arc<str>) -> bool {
        if !self.symbols.contains_key(symbol) && self.symbols.len() == SYMBOLS_MAX {
            return false;
        }
        let key = rows.keys[row];
        let scales = rows.symbols.scales(key.symbol);
        let widths = self.symbols.entry(symbol.clone()).or_default();
        let empty = || Series { scales, bars: BTreeMap::new() };
        let bars = &mut widths.entry(key.width).or_insert_with(empty).bars;
        if !bars.contains_key(&key.ts_open) && bars.len() == BARS_MAX {
            return false;
        }
        match &rows.body {
            Body::Bars(list) => {
                let (bar, known_at) = (list[row], rows.known_at[row]);
                let entry = bars.entry(key.ts_open).or_insert_with(|| Entry::new(bar, known_at));
                if key.change == Change::Revised {
                    // A row of a later revision comes after the ones before it.
                    entry.first.get_or_insert(entry.bar);
                }
                (entry.bar, entry.revision, entry.known_at) = (bar, key.revision, known_at);
                true
            }
            Body::Floats { stride, values } => {
                let Some(entry) = bars.get_mut(&key.ts_open) else { return false };
                entry.indicators.clear();
                entry.indicators.extend_from_slice(&values[row * stride..(row + 1) * stride]);
                true
            }
        }
    }

    /// Removes a row, and what has none left.
    fn remove(&mut self, rows: &Rows, row: usize, symbol: &Arc<str>) {
        let key = rows.keys[row];
        let Some(widths) = self.symbols.get_mut(symbol) else { return };
        let Some(series) = widths.get_mut(&key.width) else { return };
        match &rows.body {
            Body::Bars(_) => drop(series.bars.remove(&key.ts_open)),
            Body::Floats { .. } => {
                if let Some(entry) = series.bars.get_mut(&key.ts_open) {
                    entry.indicators.clear();
                }
            }
        }
        if series.bars.is_empty() {
            widths.remove(&key.width);
        }
        if widths.is_empty() {
            self.symbols.remove(symbol);
        }
    }
}

impl Entry {
    fn new(bar: Bar, known_at: Time) -> Self {
        Entry { bar, first: None, revision: 0, known_at, indicators: Vec::new() }
    }
}

impl Series {
    /// The last bar.
    pub fn last(&self) -> Option<&Entry> {
        self.bars.values().next_back()
    }

    /// Change from the first open to the last close in percent.
    pub fn change_percent(&self) -> f64 {
        match (self.bars.values().next(), self.last()) {
            (Some(first), Some(last)) => {
                100.0 * (last.bar.close.raw() as f64 / first.bar.open.raw() as f64 - 1.0)
            }
            _ => f64::NAN,
        }
    }

    /// Bars that were revised since they were made, or made again.
    pub fn revised(&self) -> usize {
        self.bars.values().filter(|entry| entry.first.is_some()).count()
    }

    /// Decimals that its closes need, at most nine: how prices are shown.
    pub fn digits(&self) -> usize {
        let decimals = |entry: &Entry| {
            let text = entry.bar.close.decimal(self.scales.price).to_string();
            text.split_once('.').map_or(0, |(_, fraction)| fraction.len())
        };
        self.bars.values().map(decimals).max().unwrap_or(0).min(9)
    }
}
