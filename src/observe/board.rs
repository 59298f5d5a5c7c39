//! The newest value of every symbol, as lines of JSON, in the order that symbols changed in.
//!
//! Whoever reads remembers the change up to which it has read. A symbol stands where it changed last, so a slow reader
//! finds the newest value of each symbol once and nothing older, and costs nobody but itself.

use dataflows::Newest;
use market::{Bar, Scales, Symbols, Width};
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::{Display, Write};

/// Changes that are passed over, beside those that count, before they are thrown out.
const STALE_MAX: usize = 1024;

/// What is known of a symbol.
struct Entry {
    text: String,
    scales: Scales,
    newest: Newest,
    bars: Vec<Bar>,
    /// Its last change.
    change: u64,
    /// The value as a line, once somebody wanted it.
    line: String,
}

/// All of them.
pub(super) struct Board {
    widths: Vec<Width>,
    symbols: Symbols,
    /// By symbol's id.
    entries: Vec<Option<Entry>>,
    known: usize,
    /// By rising number; a symbol's last one counts.
    changes: VecDeque<(u64, usize)>,
    last: u64,
    /// Values that were replaced before anybody wanted them.
    pub replaced: u64,
}

impl Board {
    pub fn new(widths: &[Width], symbols: &Symbols) -> Self {
        Board {
            widths: widths.to_vec(),
            symbols: symbols.clone(),
            entries: Vec::new(),
            known: 0,
            changes: VecDeque::new(),
            last: 0,
            replaced: 0,
        }
    }

    /// Takes a value in, unless another partition's is newer.
    pub fn put(&mut self, newest: &Newest, bars: &[Bar]) {
        let at = newest.symbol.index();
        if self.entries.len() <= at {
            self.entries.resize_with(at + 1, || None);
        }
        let change = self.last + 1;
        match &mut self.entries[at] {
            Some(entry) => {
                let is_other = entry.newest.partition != newest.partition;
                if is_other && entry.newest.order() > newest.order() {
                    return;
                }
                self.replaced += u64::from(entry.line.is_empty());
                (entry.newest, entry.change) = (*newest, change);
                entry.bars.copy_from_slice(bars);
                entry.line.clear();
            }
            none => {
                *none = Some(Entry {
                    text: json!(*self.symbols.text(newest.symbol)).to_string(),
                    scales: self.symbols.scales(newest.symbol),
                    newest: *newest,
                    bars: bars.to_vec(),
                    change,
                    line: String::new(),
                });
                self.known += 1;
            }
        }
        self.last = change;
        self.changes.push_back((change, at));
        if self.changes.len() > 2 * self.known + STALE_MAX {
            let entries = &self.entries;
            let counts = |change: u64, at: usize| {
                entries[at].as_ref().is_some_and(|entry| entry.change == change)
            };
            self.changes.retain(|&(change, at)| counts(change, at));
        }
    }

    /// Appends what changed after `seen` to `lines`, up to about `most` bytes; up to which change, and how many values.
    pub fn read(
        &mut self,
        seen: u64,
        wanted: Option<&BTreeSet<String>>,
        most: usize,
        lines: &mut Vec<u8>,
    ) -> (u64, u64) {
        let (mut seen, mut values) = (seen, 0);
        let from = self.changes.partition_point(|(change, _)| *change <= seen);
        for &(change, at) in self.changes.range(from..) {
            if lines.len() >= most {
                return (seen, values);
            }
            seen = change;
            let Some(entry) = self.entries[at].as_mut().filter(|entry| entry.change == change)
            else {
                continue;
            };
            if wanted.is_some_and(|wanted| !wanted.contains(&entry.text)) {
                continue;
            }
            if entry.line.is_empty() {
                entry.write(&self.widths);
            }
            lines.extend_from_slice(entry.line.as_bytes());
            values += 1;
        }
        (seen, values)
    }
}

impl Entry {
    fn write(&mut self, widths: &[Width]) {
        let Newest { ts_event, price, size, .. } = self.newest;
        let (scales, out) = (self.scales, &mut self.line);
        put(out, "{\"symbol\":", &self.text);
        put(out, ",\"price\":", price.decimal(scales.price));
        put(out, ",\"size\":", size.decimal(scales.size));
        put(out, ",\"ts_event\":", ts_event.ns());
        out.push_str(",\"bars\":[");
        let formed = widths.iter().zip(&self.bars).filter(|(_, bar)| bar.trade_count > 0);
        for (number, (width, bar)) in formed.enumerate() {
            let before = if number == 0 { "{\"width\":\"" } else { ",{\"width\":\"" };
            put(out, before, width);
            put(out, "\",\"ts_open\":", bar.ts_open.ns());
            put(out, ",\"ts_close\":", bar.ts_open.ns().saturating_add(width.ns()));
            put(out, ",\"open\":", bar.open.decimal(scales.price));
            put(out, ",\"high\":", bar.high.decimal(scales.price));
            put(out, ",\"low\":", bar.low.decimal(scales.price));
            put(out, ",\"close\":", bar.close.decimal(scales.price));
            put(out, ",\"volume\":", bar.volume_decimal(scales));
            match Some(bar.vwap(scales)).filter(|vwap| vwap.is_finite()) {
                Some(vwap) => put(out, ",\"vwap\":", vwap),
                // JSON has no infinity.
                None => out.push_str(",\"vwap\":null"),
            }
            put(out, ",\"trade_count\":", bar.trade_count);
            out.push_str(",\"final\":false}");
        }
        out.push_str("]}\n");
    }
}

fn put(out: &mut String, name: &str, value: impl Display) {
    out.push_str(name);
    write!(out, "{value}").expect("text is written to memory");
}
