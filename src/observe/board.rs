//! The newest value of every symbol, as lines of JSON, in the order that symbols changed in.
//!
//! Whoever reads remembers the change up to which it has read. A symbol stands where it changed last, so a slow reader
//! finds the newest value of each symbol once and nothing older, and costs nobody but itself.

use dataflows::Newest;
use market::{Bar, Decimal, Scales, Symbols, Width, append_integer};
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};

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
    line: Vec<u8>,
}

/// A width, and what says it in a line.
struct Text {
    text: Box<[u8]>,
    ns: i64,
}

/// All of them.
pub(super) struct Board {
    widths: Vec<Text>,
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
        let text = |width: &Width| Text {
            text: format!("\"width\":\"{width}\"").into_bytes().into(),
            ns: width.ns(),
        };
        Board {
            widths: widths.iter().map(text).collect(),
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
                    line: Vec::new(),
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
            lines.extend_from_slice(&entry.line);
            values += 1;
        }
        (seen, values)
    }
}

impl Entry {
    fn write(&mut self, widths: &[Text]) {
        let Newest { ts_event, price, size, .. } = self.newest;
        let (scales, out) = (self.scales, &mut self.line);
        out.extend_from_slice(b"{\"symbol\":");
        out.extend_from_slice(self.text.as_bytes());
        decimal(out, b",\"price\":", price.decimal(scales.price));
        decimal(out, b",\"size\":", size.decimal(scales.size));
        integer(out, b",\"ts_event\":", ts_event.ns());
        out.extend_from_slice(b",\"bars\":[");
        let formed = widths.iter().zip(&self.bars).filter(|(_, bar)| bar.trade_count > 0);
        for (number, (width, bar)) in formed.enumerate() {
            out.extend_from_slice(if number == 0 { b"{" } else { b",{" });
            out.extend_from_slice(&width.text);
            integer(out, b",\"ts_open\":", bar.ts_open.ns());
            integer(out, b",\"ts_close\":", bar.ts_open.ns().saturating_add(width.ns));
            decimal(out, b",\"open\":", bar.open.decimal(scales.price));
            decimal(out, b",\"high\":", bar.high.decimal(scales.price));
            decimal(out, b",\"low\":", bar.low.decimal(scales.price));
            decimal(out, b",\"close\":", bar.close.decimal(scales.price));
            decimal(out, b",\"volume\":", bar.volume_decimal(scales));
            out.extend_from_slice(b",\"vwap\":");
            // JSON has no infinity: the library writes null then.
            let written = serde_json::to_writer(&mut *out, &bar.vwap(scales));
            written.expect("a number is written to memory");
            integer(out, b",\"trade_count\":", bar.trade_count as i64);
            out.extend_from_slice(b",\"final\":false}");
        }
        out.extend_from_slice(b"]}\n");
    }
}

fn integer(out: &mut Vec<u8>, name: &[u8], value: i64) {
    out.extend_from_slice(name);
    append_integer(out, value);
}

fn decimal(out: &mut Vec<u8>, name: &[u8], value: Decimal) {
    out.extend_from_slice(name);
    value.append_to(out);
}
