//! Rows and letters as compact JSON, into buffers that are used again: no value tree and no allocation a row.
//!
//! A row's key is how its value begins: `{"symbol":"NVDA","width":"1min","ts_open":1704205800000000000`,
//! then `"seq"` where it is not 0. A row that was removed has no value.

use crate::names::Names;
use market::{Cell, DeadLetter, Rows, TableSpec, Width, append_integer, stable_hash};
use serde_json::json;
use std::sync::Arc;

/// What is the same for all rows of a symbol.
struct Known {
    quoted: Box<[u8]>,
    hash: u64,
}

/// Encodes the rows of one batch after another.
#[derive(Default)]
pub(super) struct Encoder {
    names: Names,
    known: Vec<Known>,
    table: Option<Arc<TableSpec>>,
    /// `,"close":` of each column.
    columns: Vec<Box<[u8]>>,
    /// `","width":"1min","ts_open":` of each width met.
    widths: Vec<(Width, Box<[u8]>)>,
    pub key: Vec<u8>,
    value: Vec<u8>,
    /// Whether the row was removed.
    is_tombstone: bool,
}

impl Encoder {
    /// Makes ready for the rows of a batch.
    pub(super) fn learn(&mut self, rows: &Rows) {
        self.names.learn(&rows.symbols);
        for id in self.known.len()..self.names.len() {
            let text = self.names.text(id as u32);
            let quoted = json!(**text).to_string().into_bytes().into();
            self.known.push(Known { quoted, hash: stable_hash(text.as_bytes()) });
        }
        if !self.table.as_ref().is_some_and(|table| Arc::ptr_eq(table, &rows.table)) {
            let column = |name: &str| format!(",{}:", json!(name)).into_bytes().into();
            self.columns = rows.table.columns.iter().map(|spec| column(&spec.name)).collect();
            self.table = Some(rows.table.clone());
        }
    }

    /// Fills key and value with row number `row`; the hash of its symbol, which its partition follows from.
    pub(super) fn row(&mut self, rows: &Rows, row: usize) -> u64 {
        let key = &rows.keys[row];
        let id = self.names.id(key.symbol);
        let known = &self.known[id as usize];
        let out = &mut self.value;
        out.clear();
        out.extend_from_slice(b"{\"symbol\":");
        out.extend_from_slice(&known.quoted);
        let at = match self.widths.iter().position(|(width, _)| *width == key.width) {
            Some(at) => at,
            None => {
                let text = format!(",\"width\":\"{}\",\"ts_open\":", key.width);
                self.widths.push((key.width, text.into_bytes().into()));
                self.widths.len() - 1
            }
        };
        out.extend_from_slice(&self.widths[at].1);
        append_integer(out, key.ts_open.ns());
        if key.seq != 0 {
            out.extend_from_slice(b",\"seq\":");
            append_integer(out, i64::from(key.seq));
        }
        self.key.clear();
        self.key.extend_from_slice(out);
        self.key.push(b'}');
        self.is_tombstone = key.is_removed();
        if self.is_tombstone {
            return known.hash;
        }
        let scales = self.names.scales(id);
        for (column, name) in self.columns.iter().enumerate() {
            out.extend_from_slice(name);
            cell(out, rows.cell_at(row, column, || scales));
        }
        out.extend_from_slice(b",\"revision\":");
        append_integer(out, i64::from(key.revision));
        out.push(b'}');
        known.hash
    }

    /// The value; none where the row was removed.
    pub(super) fn value(&self) -> Option<&[u8]> {
        (!self.is_tombstone).then_some(&self.value)
    }

    /// Fills key and value with a letter; the hash of where it was read.
    pub(super) fn letter(&mut self, letter: &DeadLetter) -> u64 {
        let (source, partition) = (&letter.source, letter.partition);
        let (offset, index) = match letter.offset.message() {
            Some((offset, index)) => (offset, u64::from(index)),
            None => (u64::from(letter.offset.file()), letter.offset.row()),
        };
        // A record of a file is known by the number of the file within its partition, and its row.
        let names = match letter.offset.message() {
            Some(_) => ["offset", "index"],
            None => ["file", "row"],
        };
        let mut key = json!({"source": source, "partition": partition});
        key[names[0]] = offset.into();
        key[names[1]] = index.into();
        let mut value = key.clone();
        value["reason"] = letter.reason.code().into();
        value["detail"] = letter.detail.as_str().into();
        value["symbol"] = letter.symbol.as_deref().into();
        value["ts_event"] = letter.ts_event.map(market::Time::ns).into();
        value["raw"] = letter.raw.as_str().into();
        self.is_tombstone = false;
        (self.key, self.value) = (key.to_string().into_bytes(), value.to_string().into_bytes());
        stable_hash(source.as_bytes()) ^ u64::from(partition)
    }
}

fn cell(out: &mut Vec<u8>, cell: Cell) {
    match cell {
        Cell::Integer(value) => append_integer(out, value),
        Cell::Decimal(value) => value.append_to(out),
        Cell::Time(value) => append_integer(out, value.ns()),
        // JSON has no infinity: the library writes null then.
        Cell::Float(value) => {
            serde_json::to_writer(out, &value).expect("a number is written to memory");
        }
        Cell::Null => out.extend_from_slice(b"null"),
    }
}
