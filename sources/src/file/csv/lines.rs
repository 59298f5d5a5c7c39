//! Indexed lines as a block of rows.

use super::super::block::Block;
use super::super::desk::Desk;
use super::super::raw::printable;
use super::number;
use crate::layout::MomentError;
use market::{FixedError, Reason, Scale, SymbolId, Time};

/// One line: the index of its first end, its place and its number within the chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) first: u32,
    pub(super) start: u32,
    pub(super) number: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) ends: &'a [u32],
    pub(super) rows: &'a [Row],
    pub(super) last_column: usize,
    pub(super) quoted: bool,
}

impl Lines<'_> {
    /// Where a cell starts and ends, without the quotes around it or a carriage return behind it.
    #[inline(always)]
    fn span(&self, column: usize, row: &Row) -> (usize, usize) {
        let at = row.first as usize + column;
        let start = if column == 0 { row.start } else { self.ends[at - 1] + 1 } as usize;
        let mut end = self.ends[at] as usize;
        if column == self.last_column && end > start && self.bytes[end - 1] == b'\r' {
            end -= 1;
        }
        if self.quoted { self.unquoted(start, end) } else { (start, end) }
    }

    #[cold]
    fn unquoted(&self, start: usize, end: usize) -> (usize, usize) {
        match &self.bytes[start..end] {
            [b'"', .., b'"'] => (start + 1, end - 1),
            _ => (start, end),
        }
    }

    /// A cell as text.
    pub(super) fn cell<'a>(
        &'a self,
        column: usize,
        row: usize,
        scratch: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let (start, end) = self.span(column, &self.rows[row]);
        let text = &self.bytes[start..end];
        if !self.quoted || memchr::memchr(b'"', text).is_none() {
            return text;
        }
        scratch.clear();
        let mut was_quote = false;
        for &byte in text {
            // Two quotes stand for one.
            was_quote = byte == b'"' && !was_quote;
            if !was_quote {
                scratch.push(byte);
            }
        }
        scratch
    }

    fn line(&self, row: usize) -> &[u8] {
        let row = self.rows[row];
        let (mut end, mut at) = (row.start as usize, row.first as usize);
        while let Some(&next) = self.ends.get(at) {
            end = next as usize;
            if self.bytes.get(end) == Some(&b'\n') {
                break;
            }
            at += 1;
        }
        let line = &self.bytes[row.start as usize..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

impl Block for Lines<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    #[inline]
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
            make(number::fixed(self.bytes, start, end, scale).unwrap_or_else(|error| {
                flaw(k, error);
                0
            }))
        }));
    }

    fn fixed_at(&self, column: usize, row: usize, scale: Scale) -> Result<i64, FixedError> {
        let (start, end) = self.span(column, &self.rows[row]);
        number::fixed(self.bytes, start, end, scale)
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
            match number::fixed(self.bytes, start, end, whole) {
                Ok(ns) => Time::from_ns(ns),
                Err(_) => written(&self.bytes[start..end]).unwrap_or_else(|error| {
                    flaw(k, error);
                    Time::default()
                }),
            }
        }));
    }

    fn symbols(&self, column: usize, desk: &mut Desk, reason: Reason, out: &mut Vec<SymbolId>) {
        let Desk { symbols, flaws, text, .. } = desk;
        out.extend(self.rows.iter().enumerate().map(|(k, row)| {
            let id = if self.quoted {
                symbols.text(self.cell(column, k, text))
            } else {
                let (start, end) = self.span(column, row);
                symbols.at(self.bytes, start, end)
            };
            id.unwrap_or_else(|error| flaws.symbol(k, reason, error))
        }));
    }

    fn text<'a>(&'a self, column: usize, row: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        self.cell(column, row, scratch)
    }

    fn row_number(&self, row: usize) -> u64 {
        u64::from(self.rows[row].number)
    }

    fn raw(&self, row: usize) -> String {
        printable(self.line(row))
    }
}

/// RFC 3339.
#[cold]
pub(crate) fn written(text: &[u8]) -> Result<Time, Option<MomentError>> {
    if text.is_empty() {
        return Err(None);
    }
    let text = std::str::from_utf8(text).map_err(|_| Some(MomentError::Malformed))?;
    Time::parse(text).map_err(|_| Some(MomentError::Malformed))
}
