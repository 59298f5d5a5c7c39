//! How containers are written for another process: symbols by a dictionary of their texts.

use super::bytes::{Reader, Writer};
use super::{Names, Parcel, Partials, RowParcel, Shared, pooled};
use crate::tick::{PartialRow, Reach};
use market::{
    Bar, Body, Change, Counts, DeadLetter, Offset, Price, Reason, RowKey, SymbolId, Symbols, Time,
    Width,
};
use operators::Snapshot;
use operators::bar::Partial;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use timely::bytes::arc::Bytes;
use timely::dataflow::channels::ContainerBytes;

/// Numbers the symbols of a message 0, 1, ... by first sight.
#[derive(Default)]
struct Dictionary {
    places: HashMap<SymbolId, u32>,
    symbols: Vec<SymbolId>,
}

impl Dictionary {
    fn of(symbols: impl Iterator<Item = SymbolId>) -> Self {
        let mut dictionary = Dictionary::default();
        for symbol in symbols {
            let next = dictionary.symbols.len() as u32;
            if *dictionary.places.entry(symbol).or_insert(next) == next {
                dictionary.symbols.push(symbol);
            }
        }
        dictionary
    }

    fn write(&self, names: &Names, to: &mut Writer) {
        to.u64(self.symbols.len() as u64);
        for &symbol in &self.symbols {
            match names {
                Names::Here(symbols) => to.text(&symbols.text(symbol)),
                Names::Foreign(texts) => to.text(&texts[symbol.index()]),
                Names::None => to.text(""),
            }
        }
    }

    fn read(from: &mut Reader) -> Names {
        Names::Foreign((0..from.len()).map(|_| from.text().into()).collect())
    }
}

impl Names {
    /// The ids of this process for the ids in the container; `None` where they are these already.
    fn translation(&self, symbols: &Symbols) -> Option<Vec<SymbolId>> {
        let Names::Foreign(texts) = self else { return None };
        let intern =
            |text: &[u8]| symbols.intern(text).expect("another process admitted this symbol");
        Some(texts.iter().map(|text| intern(text.as_bytes())).collect())
    }
}

impl Partials {
    /// Makes its symbols this process's, where it came from another.
    pub fn adopt(&mut self, symbols: &Symbols) {
        if let Some(ids) = self.names.translation(symbols) {
            self.rows.iter_mut().for_each(|row| row.symbol = ids[row.symbol.index()]);
            pooled::adopt(&mut self.pooled, &ids);
            self.names = Names::Here(symbols.clone());
        }
    }
}

impl Shared {
    /// Makes its symbols this process's, where it came from another.
    pub fn adopt(mut self, symbols: &Symbols) -> Self {
        let foreign = self.rows().and_then(|rows| rows.names.translation(symbols));
        if let (Some(ids), Some(Parcel::Rows(rows))) = (foreign, Arc::get_mut(&mut self.0)) {
            rows.keys.iter_mut().for_each(|key| key.symbol = ids[key.symbol.index()]);
            rows.names = Names::Here(symbols.clone());
        }
        self
    }
}

impl ContainerBytes for Partials {
    fn from_bytes(bytes: Bytes) -> Self {
        let mut from = Reader::new(bytes);
        let names = Dictionary::read(&mut from);
        let rows = (0..from.len()).map(|_| read_partial(&mut from)).collect();
        let reach = |from: &mut Reader| {
            let (to, at) = (from.u64() as u32, from.i64());
            (to, Reach { at, base: from.u64() as u32, until: Time::from_ns(from.i64()) })
        };
        let reaches = (0..from.len()).map(|_| reach(&mut from)).collect();
        let pooled = (0..from.len()).map(|_| pooled::read(&mut from)).collect();
        let left =
            |from: &mut Reader| (from.u64() as u32, from.u64() as u32, Arc::new(from.blob()));
        let left = (0..from.len()).map(|_| left(&mut from)).collect();
        Partials { rows, reaches, names, pooled, left }
    }

    fn length_in_bytes(&self) -> usize {
        self.encode().len()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        writer.write_all(&self.encode()).expect("a buffer of the announced length");
    }
}

impl Partials {
    fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        let rows = self.rows.iter().map(|row| row.symbol);
        let dictionary = Dictionary::of(rows.chain(pooled::symbols(&self.pooled)));
        dictionary.write(&self.names, &mut to);
        to.u64(self.rows.len() as u64);
        let mut words = Snapshot::default();
        for row in &self.rows {
            to.i64(row.epoch);
            to.u64(u64::from(dictionary.places[&row.symbol]));
            to.u64(u64::from(row.partition));
            to.u64(u64::from(row.base));
            words.clear();
            row.partial.snapshot(&mut words);
            to.words(words.words());
        }
        to.u64(self.reaches.len() as u64);
        for (worker, reach) in &self.reaches {
            to.u64(u64::from(*worker));
            to.i64(reach.at);
            to.u64(u64::from(reach.base));
            to.i64(reach.until.ns());
        }
        to.u64(self.pooled.len() as u64);
        let place = |symbol| u64::from(dictionary.places[&symbol]);
        self.pooled.iter().for_each(|pooled| pooled::write(pooled, &place, &mut to));
        to.u64(self.left.len() as u64);
        for (worker, number, left) in &self.left {
            to.u64(u64::from(*worker));
            to.u64(u64::from(*number));
            to.blob(left);
        }
        to.finish()
    }
}

fn read_partial(from: &mut Reader) -> PartialRow {
    let epoch = from.i64();
    let symbol = SymbolId::from_index(from.u64() as u32);
    let (partition, base) = (from.u64() as u32, from.u64() as u32);
    let words = from.words();
    let partial = Partial::restore(&mut operators::Restore::new(&words));
    PartialRow { epoch, symbol, partition, base, partial }
}

impl ContainerBytes for Shared {
    fn from_bytes(bytes: Bytes) -> Self {
        let mut from = Reader::new(bytes);
        let parcel = match from.u64() {
            0 => Parcel::Empty,
            1 => Parcel::Rows(read_rows(&mut from)),
            2 => Parcel::Letters((0..from.len()).map(|_| read_letter(&mut from)).collect()),
            3 => Parcel::Counts(read_counts(&mut from)),
            _ => Parcel::Spread(from.u64()),
        };
        parcel.into()
    }

    fn length_in_bytes(&self) -> usize {
        self.encode().len()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        writer.write_all(&self.encode()).expect("a buffer of the announced length");
    }
}

impl Shared {
    fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        match &*self.0 {
            Parcel::Empty => to.u64(0),
            Parcel::Rows(rows) => {
                to.u64(1);
                write_rows(rows, &mut to);
            }
            Parcel::Letters(letters) => {
                to.u64(2);
                to.u64(letters.len() as u64);
                letters.iter().for_each(|letter| write_letter(letter, &mut to));
            }
            Parcel::Counts(counts) => {
                to.u64(3);
                let Counts { read, used, late, flagged, left_out, .. } = *counts;
                let Counts { cancelled, replaced, excluded, .. } = *counts;
                to.words(&[read, used, late, flagged, cancelled, replaced, excluded, left_out]);
                to.words(&counts.refused);
            }
            Parcel::Spread(symbols) => {
                to.u64(4);
                to.u64(*symbols);
            }
        }
        to.finish()
    }
}

fn write_rows(rows: &RowParcel, to: &mut Writer) {
    let dictionary = Dictionary::of(rows.keys.iter().map(|key| key.symbol));
    dictionary.write(&rows.names, to);
    to.u64(u64::from(rows.table));
    to.text(&rows.width.to_string());
    to.u64(rows.keys.len() as u64);
    for key in &rows.keys {
        to.i64(key.epoch);
        to.i64(key.ts_open.ns());
        to.u64(u64::from(dictionary.places[&key.symbol]) << 2 | key.change as u64);
        to.u64(u64::from(key.seq) << 32 | u64::from(key.revision));
    }
    match &rows.body {
        Body::Bars(bars) => {
            to.u64(0);
            bars.iter().for_each(|bar| write_bar(bar, to));
        }
        Body::Floats { stride, values } => {
            to.u64(*stride as u64);
            values.iter().for_each(|value| to.u64(value.to_bits()));
        }
    }
}

fn read_rows(from: &mut Reader) -> RowParcel {
    let names = Dictionary::read(from);
    let table = from.u64() as u32;
    let width: Width = from.text().parse().expect("a width was written");
    let count = from.len();
    let key = |from: &mut Reader| {
        let (epoch, ts_open) = (from.i64(), Time::from_ns(from.i64()));
        let packed = from.u64();
        let symbol = SymbolId::from_index((packed >> 2) as u32);
        let change = Change::of_code(packed & 3).expect("a change was written");
        let packed = from.u64();
        let (seq, revision) = ((packed >> 32) as u32, packed as u32);
        RowKey { epoch, ts_open, symbol, width, seq, revision, change }
    };
    let keys = (0..count).map(|_| key(from)).collect();
    let body = match from.len() {
        0 => Body::Bars((0..count).map(|_| read_bar(from)).collect()),
        stride => {
            let values = (0..count * stride).map(|_| f64::from_bits(from.u64())).collect();
            Body::Floats { stride, values }
        }
    };
    RowParcel { table, width, keys, body, names }
}

fn write_bar(bar: &Bar, to: &mut Writer) {
    to.i64(bar.ts_open.ns());
    [bar.open, bar.high, bar.low, bar.close].iter().for_each(|price| to.i64(price.raw()));
    to.u64(bar.trade_count);
    to.i128(bar.volume);
    to.i128(bar.notional);
}

fn read_bar(from: &mut Reader) -> Bar {
    let ts_open = Time::from_ns(from.i64());
    let [open, high, low, close] = [(); 4].map(|()| Price::from_raw(from.i64()));
    let trade_count = from.u64();
    let (volume, notional) = (from.i128(), from.i128());
    Bar { ts_open, open, high, low, close, trade_count, volume, notional }
}

fn write_letter(letter: &DeadLetter, to: &mut Writer) {
    to.i64(letter.epoch);
    to.u64(u64::from(letter.partition));
    to.text(&letter.source);
    to.u64(letter.offset.raw());
    to.u64(letter.reason as u64);
    to.text(&letter.detail);
    to.text(&letter.raw);
    to.u64(u64::from(letter.symbol.is_some()));
    to.text(letter.symbol.as_deref().unwrap_or_default());
    to.u64(u64::from(letter.ts_event.is_some()));
    to.i64(letter.ts_event.unwrap_or_default().ns());
}

fn read_letter(from: &mut Reader) -> DeadLetter {
    DeadLetter {
        epoch: from.i64(),
        partition: from.u64() as u32,
        source: from.text(),
        offset: Offset::from_raw(from.u64()),
        reason: Reason::ALL[from.u64() as usize],
        detail: from.text(),
        raw: from.text(),
        symbol: (from.u64() == 1, from.text()).into_option(),
        ts_event: (from.u64() == 1, Time::from_ns(from.i64())).into_option(),
    }
}

fn read_counts(from: &mut Reader) -> Counts {
    let (first, refused) = (from.words(), from.words());
    let mut counts = Counts {
        read: first[0],
        used: first[1],
        late: first[2],
        flagged: first[3],
        cancelled: first[4],
        replaced: first[5],
        excluded: first[6],
        left_out: first[7],
        ..Counts::default()
    };
    counts.refused.copy_from_slice(&refused);
    counts
}

/// A flag and a value as an option.
trait IntoOption<T> {
    fn into_option(self) -> Option<T>;
}

impl<T> IntoOption<T> for (bool, T) {
    fn into_option(self) -> Option<T> {
        self.0.then_some(self.1)
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
