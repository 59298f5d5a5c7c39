//! Scanned records of JSON as a block of rows.

use super::scan::Cell;
use crate::file::block::Block;
use crate::file::csv::number::fixed;
use crate::file::csv::written;
use crate::file::desk::{Desk, Flaws};
use crate::file::raw::printable;
use crate::layout::{Bound, MomentError};
use market::{FixedError, Offset, Reason, Scale, SymbolId, Time};

/// What is wrong with a record as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Object,
    /// A number, a text, a list.
    Other,
    /// The value of this column is an object or a list.
    Nested(u32),
    /// The text of this column has half a pair of surrogates.
    Surrogate(u32),
}

impl Shape {
    /// The column that is at fault, where one is.
    pub(super) fn column(self) -> Option<usize> {
        match self {
            Shape::Object | Shape::Other => None,
            Shape::Nested(column) | Shape::Surrogate(column) => Some(column as usize),
        }
    }
}

/// One record: its first cell, where it starts in the buffer, its place in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) cells: u32,
    pub(super) start: u32,
    pub(super) offset: Offset,
    pub(super) shape: Shape,
}

/// Scanned records as a block of rows.
pub(super) struct Records<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) cells: &'a [Cell],
    pub(super) rows: &'a [Row],
    pub(super) columns: &'a [String],
    pub(super) bound: &'a Bound,
}

impl Records<'_> {
    #[inline(always)]
    fn span(&self, column: usize, row: &Row) -> (usize, usize) {
        let cell = self.cells[row.cells as usize + column];
        (cell.start as usize, cell.end as usize)
    }
}

impl Block for Records<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn fixed<T>(
        &self,
        column: usize,
        scale: Scale,
        make: impl Fn(i64) -> T,
        out: &mut Vec<T>,
        mut flaw: impl FnMut(usize, FixedError),
    ) {
        out.extend(self.rows.iter().enumerate().map(|(k, row)| {
            let (start, end) = self.span(column, row);
            make(fixed(self.bytes, start, end, scale).unwrap_or_else(|error| {
                flaw(k, error);
                0
            }))
        }));
    }

    fn fixed_at(&self, column: usize, row: usize, scale: Scale) -> Result<i64, FixedError> {
        let (start, end) = self.span(column, &self.rows[row]);
        fixed(self.bytes, start, end, scale)
    }

    fn times(
        &self,
        column: usize,
        out: &mut Vec<Time>,
        mut flaw: impl FnMut(usize, Option<MomentError>),
    ) {
        let whole = Scale::new(0).unwrap_or_default();
        out.extend(self.rows.iter().enumerate().map(|(k, row)| {
            let (start, end) = self.span(column, row);
            match fixed(self.bytes, start, end, whole) {
                Ok(ns) => Time::from_ns(ns),
                Err(_) => written(&self.bytes[start..end]).unwrap_or_else(|error| {
                    flaw(k, error);
                    Time::default()
                }),
            }
        }));
    }

    fn symbols(&self, column: usize, desk: &mut Desk, reason: Reason, out: &mut Vec<SymbolId>) {
        let Desk { symbols, flaws, .. } = desk;
        out.extend(self.rows.iter().enumerate().map(|(k, row)| {
            let (start, end) = self.span(column, row);
            let id = symbols.at(self.bytes, start, end);
            id.unwrap_or_else(|error| flaws.symbol(k, reason, error))
        }));
    }

    fn text<'a>(&'a self, column: usize, row: usize, _: &'a mut Vec<u8>) -> &'a [u8] {
        let (start, end) = self.span(column, &self.rows[row]);
        &self.bytes[start..end]
    }

    fn row_number(&self, row: usize) -> u64 {
        self.rows[row].offset.raw()
    }

    fn raw(&self, row: usize) -> String {
        let line = &self.bytes[self.rows[row].start as usize..];
        printable(memchr::memchr(b'\n', line).map_or(line, |end| &line[..end]))
    }

    fn flaws(&self, flaws: &mut Flaws) {
        for (k, row) in self.rows.iter().enumerate() {
            let detail = match row.shape {
                Shape::Object => continue,
                Shape::Other => "wanted an object, or a list of objects".to_owned(),
                Shape::Nested(column) => format!(
                    "\"{}\": an object or a list, wanted a text or a number",
                    self.columns[column as usize]
                ),
                Shape::Surrogate(column) => {
                    format!("\"{}\": half a pair of surrogates", self.columns[column as usize])
                }
            };
            match row.shape.column() {
                Some(column) if !self.bound.names_a_trade(column) => {
                    flaws.push_spare(k, Reason::Malformed, detail);
                }
                _ => flaws.push(k, Reason::Malformed, detail),
            }
        }
    }
}
