//! Trades out of JSON: messages are gathered in one buffer, and a thousand of them become columns at once.
//!
//! ```text
//! payload -> copied behind the others -> scanned: where the wanted values stand -> cells -> block of rows
//! ```
//! The buffer stays with the batch, so that a refused record can be shown as it came.

use super::records::{Records, Row, Shape};
use super::scan::{Broken, Cell, Found, Names, Scan, unescaped};
use super::{Message, RECORDS_MAX, Refused};
use crate::file::block::decode;
use crate::file::csv::PAD;
use crate::file::desk::Desk;
use crate::layout::Bound;
use crate::{Decoded, RawRecords};
use market::Offset;
use std::io::Write;

/// Rows that become columns together, so that they stay in the nearest cache.
const BLOCK_ROWS: usize = 1024;

/// What is read of a message beside its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Key,
    Topic,
    Timestamp,
}

impl Special {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "@key" => Some(Special::Key),
            "@topic" => Some(Special::Topic),
            "@timestamp" => Some(Special::Timestamp),
            _ => None,
        }
    }

    /// Appends it as text; a time in nanoseconds.
    pub(super) fn write(self, message: &Message<'_>, to: &mut Vec<u8>) {
        match self {
            Special::Key => to.extend_from_slice(message.key.unwrap_or_default()),
            Special::Topic => to.extend_from_slice(message.topic.as_bytes()),
            Special::Timestamp => {
                if let Some(ns) = message.timestamp_ms.and_then(|ms| ms.checked_mul(1_000_000)) {
                    // Writing to bytes cannot fail.
                    let _ = write!(to, "{ns}");
                }
            }
        }
    }
}

/// The decoder of one partition's JSON.
pub(super) struct Json {
    bound: Bound,
    columns: Vec<String>,
    names: Names,
    specials: Vec<(Special, usize)>,
    rows: Vec<Row>,
    cells: Vec<Cell>,
    found: Found,
    /// Rows that the filter dropped.
    pub(super) filtered: u64,
}

impl Json {
    pub(super) fn new(bound: Bound, columns: Vec<String>) -> Self {
        let (mut names, mut specials) = (Names::default(), Vec::new());
        for (column, name) in columns.iter().enumerate() {
            match Special::of(name) {
                Some(special) => specials.push((special, column)),
                None => names.want(name, column),
            }
        }
        let (rows, cells, found) = (Vec::new(), Vec::new(), Found::default());
        Json { bound, columns, names, specials, rows, cells, found, filtered: 0 }
    }

    /// Whether no row waits to become columns.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes the records of a message, all or none.
    pub(super) fn take(
        &mut self,
        message: &Message<'_>,
        payload: &[u8],
        bytes: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        if std::str::from_utf8(payload).is_err() {
            return Err(Refused::malformed("bytes that are no UTF-8, wanted JSON".to_owned()));
        }
        let (base, rows, cells) = (bytes.len(), self.rows.len(), self.cells.len());
        let specials = self.write_specials(message, bytes);
        let start = bytes.len();
        copy_as_line(payload, bytes);
        let scanned = self.scan(message.offset, start, bytes);
        let outcome = scanned.map_err(|broken| {
            let (at, wanted) = (broken.at.saturating_sub(start), broken.wanted);
            Refused::malformed(format!("at byte {at}: wanted {wanted}"))
        });
        if outcome.is_err() {
            self.rows.truncate(rows);
            self.cells.truncate(cells);
            bytes.truncate(base);
            return outcome;
        }
        for row in &self.rows[rows..] {
            for (k, &(_, column)) in self.specials.iter().enumerate() {
                self.cells[row.cells as usize + column] = specials[k];
            }
        }
        Ok(())
    }

    /// At most as many as [`Special`] has.
    fn write_specials(&self, message: &Message<'_>, bytes: &mut Vec<u8>) -> [Cell; 3] {
        let mut cells = [Cell::default(); 3];
        for ((special, _), cell) in self.specials.iter().zip(&mut cells) {
            let start = bytes.len() as u32;
            special.write(message, bytes);
            *cell = Cell { start, end: bytes.len() as u32 };
        }
        cells
    }

    fn scan(&mut self, offset: u64, start: usize, bytes: &mut Vec<u8>) -> Result<(), Broken> {
        // Without the line's end.
        let end = bytes.len() - 1;
        let mut at = start;
        let mut scan = Scan::new(&bytes[..end], at);
        let is_list = scan.next() == b'[';
        at = scan.at;
        if is_list {
            at += 1;
            let mut scan = Scan::new(&bytes[..end], at);
            if scan.next() == b']' {
                scan.at += 1;
                return if scan.is_at_end() { Ok(()) } else { Err(scan.broken("the end")) };
            }
        }
        let mut index = 0;
        loop {
            if index as usize >= RECORDS_MAX {
                return Err(Broken { at, wanted: "at most 1048576 records in a message" });
            }
            at = self.record(
                Offset::in_message(offset, index),
                end,
                at,
                usize::from(is_list),
                bytes,
            )?;
            index += 1;
            let mut scan = Scan::new(&bytes[..end], at);
            match (is_list, scan.next()) {
                (true, b',') => {
                    let comma = scan.at;
                    at = comma + 1;
                    // The record's line ends here.
                    bytes[comma] = b'\n';
                }
                (true, b']') => {
                    scan.at += 1;
                    let closing = scan.at - 1;
                    if !scan.is_at_end() {
                        return Err(scan.broken("the end"));
                    }
                    bytes[closing] = b'\n';
                    return Ok(());
                }
                (false, _) if scan.is_at_end() => return Ok(()),
                (false, _) => return Err(scan.broken("the end")),
                (true, _) => return Err(scan.broken("a comma or the end of the list")),
            }
        }
    }

    /// One record from `at` on; says where it ends.
    fn record(
        &mut self,
        offset: Offset,
        end: usize,
        at: usize,
        depth: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<usize, Broken> {
        let base = self.cells.len();
        self.cells.resize(base + self.columns.len(), Cell::default());
        self.found.nested.clear();
        self.found.escaped.clear();
        let mut scan = Scan::new(&bytes[..end], at);
        let mut shape = Shape::Object;
        let is_object = scan.next() == b'{';
        let start = scan.at as u32;
        if is_object {
            scan.object(&self.names, depth + 1, &mut self.cells[base..], &mut self.found)?;
        } else {
            scan.skip(depth)?;
            shape = Shape::Other;
        }
        let behind = scan.at;
        if !self.found.nested.is_empty() {
            shape = self.nested(base, bytes);
        }
        for &column in &self.found.escaped {
            let cell = &mut self.cells[base + column];
            match unescaped(&bytes[cell.start as usize..cell.end as usize]) {
                Some(text) => {
                    cell.start = bytes.len() as u32;
                    bytes.extend_from_slice(text.as_bytes());
                    cell.end = bytes.len() as u32;
                }
                None => self.worsen(&mut shape, Shape::Surrogate(column as u32)),
            }
        }
        self.rows.push(Row { cells: base as u32, start, offset, shape });
        Ok(behind)
    }

    /// What is wrong with a record that has objects or lists: nothing where they are lists of conditions.
    #[cold]
    fn nested(&self, base: usize, bytes: &[u8]) -> Shape {
        let mut shape = Shape::Object;
        for &column in &self.found.nested {
            let start = self.cells[base + column].start as usize;
            if self.bound.listed() != Some(column) || bytes[start] != b'[' {
                self.worsen(&mut shape, Shape::Nested(column as u32));
            }
        }
        shape
    }

    /// What is wrong with a record: first of all what a cancel, too, must have.
    #[cold]
    fn worsen(&self, shape: &mut Shape, to: Shape) {
        if !shape.column().is_some_and(|column| self.bound.names_a_trade(column)) {
            *shape = to;
        }
    }

    /// Whether so many rows wait that they had better become columns.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= BLOCK_ROWS
    }

    /// Makes columns of the rows that wait.
    pub(super) fn finish(&mut self, desk: &mut Desk, into: &mut Decoded) {
        let RawRecords::Lines { bytes, starts } = &mut into.raw else { return };
        self.filter(bytes);
        let (cells, rows, bound) = (&self.cells, &self.rows, &self.bound);
        let block = Records { bytes, cells, rows, columns: &self.columns, bound };
        let before = into.trades.len();
        decode(&block, bound, desk, &mut into.trades, &mut into.undecoded);
        let mut rows = self.rows.iter();
        for offset in &into.trades.offset[before..] {
            let row = rows.find(|row| row.offset == *offset);
            starts.extend(row.map(|row| row.start));
        }
        self.rows.clear();
        self.cells.clear();
    }

    /// What is no object is not judged by its fields, and refused later.
    fn filter(&mut self, bytes: &[u8]) {
        let conditions = &self.bound.filter;
        if conditions.is_empty() {
            return;
        }
        let (before, cells) = (self.rows.len(), &self.cells);
        self.rows.retain(|row| {
            let cell = |column: usize| &cells[row.cells as usize + column];
            let text = |cell: &Cell| &bytes[cell.start as usize..cell.end as usize];
            row.shape == Shape::Other || conditions.iter().all(|c| c.holds(text(cell(c.column))))
        });
        self.filtered += (before - self.rows.len()) as u64;
    }
}

/// Appends a payload as one line: what separates lines in JSON is a space like any other.
fn copy_as_line(payload: &[u8], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    if memchr::memchr(b'\n', payload).is_some() {
        bytes[start..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    }
    bytes.push(b'\n');
}

/// Empties the buffer and lets numbers be loaded as words from its first byte on.
pub(super) fn begin(into: &mut Decoded) {
    if !matches!(into.raw, RawRecords::Lines { .. }) {
        into.raw = RawRecords::Lines { bytes: Vec::new(), starts: Vec::new() };
    }
    if let RawRecords::Lines { bytes, starts } = &mut into.raw {
        starts.clear();
        bytes.clear();
        bytes.resize(PAD, b'\n');
    }
}
