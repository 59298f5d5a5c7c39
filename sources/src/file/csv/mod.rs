//! CSV: a chunk of whole lines becomes a batch.

mod compressed;
mod head;
mod index;
mod lines;
pub(crate) mod number;
mod plain;

pub(super) use compressed::Compressed;
pub(super) use head::{Head, read_head};
pub(crate) use lines::written;
pub(crate) use number::PAD;
pub(super) use plain::Plain;

use super::block::{decode, shown};
use super::desk::Desk;
use super::feed::Piece;
use super::raw::printable;
use crate::layout::{Bound, Layout};
use crate::{Decoded, RawRecords, Undecoded};
use index::Index;
use lines::{Lines, Row};
use market::{Offset, Reason};

/// Bytes a line may have.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a chunk.
pub(super) const CHUNK_BYTES: usize = 1 << 19;
/// Rows that are decoded together, so that they stay in the nearest cache.
const BLOCK_ROWS: usize = 1024;

/// What the lines of a file look like.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) delimiter: u8,
    pub(super) comment: Option<u8>,
    /// Fields of a line.
    pub(super) columns: usize,
    pub(super) bound: Bound,
}

impl Shape {
    pub(super) fn new(layout: &Layout, columns: usize, bound: Bound) -> Self {
        Shape { delimiter: layout.delimiter, comment: layout.comment, columns, bound }
    }
}

/// Buffers of a thread that decodes lines.
#[derive(Default)]
pub(crate) struct Scratch {
    index: Index,
    rows: Vec<Row>,
}

/// Bytes whose whole lines are `from..to`; the byte before `to` is a line end, and at least [`PAD`]
/// bytes stand before `from`.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) from: usize,
    pub(super) to: usize,
    /// The last line was longer than a line may be and was cut.
    pub(super) is_cut: bool,
}

/// Decodes the lines of a chunk.
pub(super) fn decode_chunk(chunk: Chunk, shape: &Shape, desk: &mut Desk) -> Piece {
    let mut batch = desk.spare.take();
    let mut starts = match std::mem::take(&mut batch.raw) {
        RawRecords::Lines { mut starts, .. } => {
            starts.clear();
            starts
        }
        RawRecords::Columns => Vec::new(),
    };
    let mut scratch = std::mem::take(&mut desk.csv);
    scratch.index.fill(&chunk.bytes, chunk.from, chunk.to, shape.delimiter);
    let mut walk =
        Walk { chunk: &chunk, shape, rows: 0, filtered: 0, at_line: 0, start: chunk.from };
    while walk.next_block(&scratch.index, &mut scratch.rows, &mut batch.undecoded) {
        let block = Lines {
            bytes: &chunk.bytes,
            ends: scratch.index.ends(),
            rows: &scratch.rows,
            last_column: shape.columns - 1,
            quoted: scratch.index.quoted,
        };
        let kept = walk.filter(&block);
        let block = Lines { rows: kept.as_deref().unwrap_or(&scratch.rows), ..block };
        let before = batch.trades.len();
        let Decoded { trades, undecoded, .. } = &mut *batch;
        decode(&block, &shape.bound, desk, trades, undecoded);
        add_starts(block.rows, &trades.offset[before..], &mut starts);
    }
    let (rows, filtered) = (walk.rows, walk.filtered);
    desk.csv = scratch;
    place(&mut batch);
    batch.raw = RawRecords::Lines { bytes: chunk.bytes, starts };
    Piece { batch, rows, filtered, bytes: (chunk.to - chunk.from) as u64 }
}

/// Puts the undecoded records in their places between the rows.
pub(super) fn place(batch: &mut Decoded) {
    batch.undecoded.sort_by_key(|record| record.offset);
    for record in &mut batch.undecoded {
        let before = batch.trades.offset.partition_point(|&offset| offset < record.offset);
        record.before_row = before as u32;
    }
}

fn add_starts(rows: &[Row], offsets: &[Offset], starts: &mut Vec<u32>) {
    if rows.len() == offsets.len() {
        return starts.extend(rows.iter().map(|row| row.start));
    }
    let mut rows = rows.iter();
    for offset in offsets {
        let row = rows.find(|row| u64::from(row.number) == offset.raw());
        starts.extend(row.map(|row| row.start));
    }
}

/// The way through the lines of a chunk.
struct Walk<'a> {
    chunk: &'a Chunk,
    shape: &'a Shape,
    rows: u64,
    filtered: u64,
    at_line: usize,
    start: usize,
}

impl Walk<'_> {
    /// Fills `rows` with the next well-shaped lines; false when no line is left.
    fn next_block(
        &mut self,
        index: &Index,
        rows: &mut Vec<Row>,
        undecoded: &mut Vec<Undecoded>,
    ) -> bool {
        rows.clear();
        let ends = index.ends();
        let columns = self.shape.columns as u32;
        let is_plain = !index.quoted && self.shape.comment.is_none();
        let mut first = match self.at_line {
            0 => 0,
            line => index.lines[line - 1],
        };
        let lines = &index.lines[self.at_line..];
        for &last in lines {
            let end = ends[last as usize - 1] as usize;
            let row = Row { first, start: self.start as u32, number: self.rows as u32 };
            let fields = last - first;
            if fields == columns && is_plain && end - self.start > 1 {
                rows.push(row);
                self.rows += 1;
            } else {
                self.unusual(row, fields as usize, end, index.quoted, rows, undecoded);
            }
            first = last;
            self.start = end + 1;
            self.at_line += 1;
            if rows.len() == BLOCK_ROWS {
                break;
            }
        }
        if self.chunk.is_cut && self.at_line == index.lines.len() {
            self.refuse_cut(rows, undecoded);
        }
        !lines.is_empty()
    }

    /// Blank lines, comments, lines of other lengths and lines of chunks with quotes.
    #[cold]
    fn unusual(
        &mut self,
        row: Row,
        fields: usize,
        end: usize,
        quoted: bool,
        rows: &mut Vec<Row>,
        undecoded: &mut Vec<Undecoded>,
    ) {
        let line = &self.chunk.bytes[row.start as usize..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_comment = self.shape.comment.is_some_and(|comment| line.first() == Some(&comment));
        if line.is_empty() || is_comment {
            return;
        }
        self.rows += 1;
        let columns = self.shape.columns;
        let has_spare = fields == columns + 1 && line.last() == Some(&self.shape.delimiter);
        if quoted && !memchr::memchr_iter(b'"', line).count().is_multiple_of(2) {
            let detail = "a quote that is not closed on its line".to_owned();
            undecoded.push(malformed(row.number, detail, line));
        } else if fields == columns || has_spare {
            rows.push(row);
        } else {
            let detail = format!("{fields} fields where {columns} were wanted");
            undecoded.push(malformed(row.number, detail, line));
        }
    }

    /// The cut line is the last one, whatever shape its beginning has.
    #[cold]
    fn refuse_cut(&mut self, rows: &mut Vec<Row>, undecoded: &mut Vec<Undecoded>) {
        let number = (self.rows as u32).wrapping_sub(1);
        let detail = format!("a line of more than {LINE_BYTES_MAX} bytes");
        if let Some(row) = rows.pop_if(|row| row.number == number) {
            let line = &self.chunk.bytes[row.start as usize..self.chunk.to];
            undecoded.push(malformed(number, detail, line));
        } else if let Some(record) =
            undecoded.iter_mut().find(|u| u.offset.raw() == u64::from(number))
        {
            record.detail = detail;
        }
    }

    /// The rows that are records, where there is a filter.
    fn filter(&mut self, block: &Lines) -> Option<Vec<Row>> {
        let conditions = &self.shape.bound.filter;
        if conditions.is_empty() {
            return None;
        }
        let mut scratch = Vec::new();
        let kept: Vec<Row> = (0..block.rows.len())
            .filter(|&row| {
                conditions.iter().all(|c| c.holds(block.cell(c.column, row, &mut scratch)))
            })
            .map(|row| block.rows[row])
            .collect();
        self.filtered += (block.rows.len() - kept.len()) as u64;
        Some(kept)
    }
}

fn malformed(number: u32, detail: String, line: &[u8]) -> Undecoded {
    Undecoded {
        before_row: 0,
        offset: Offset::from_raw(u64::from(number)),
        reason: Reason::Malformed,
        detail,
        raw: printable(line),
        symbol: None,
        ts_event: None,
    }
}

/// The columns of a line without a header: `c1, c2, ...`.
pub(super) fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|k| format!("c{k}")).collect()
}

/// The cells of one line as text, quotes taken off: for headers.
pub(super) fn cells(line: &[u8], delimiter: u8) -> Vec<String> {
    let mut bytes = vec![b'\n'; PAD];
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
    let mut index = Index::default();
    index.fill(&bytes, PAD, bytes.len(), delimiter);
    let rows = [Row { first: 0, start: PAD as u32, number: 0 }];
    let count = index.ends().len();
    let lines = Lines {
        bytes: &bytes,
        ends: index.ends(),
        rows: &rows,
        last_column: count - 1,
        quoted: index.quoted,
    };
    let mut scratch = Vec::new();
    let cell = |column| String::from_utf8_lossy(lines.cell(column, 0, &mut scratch)).into_owned();
    (0..count).map(cell).map(|name| name.trim().to_owned()).collect()
}

/// What a place in a file is called in an error about its header.
pub(super) fn shown_line(line: &[u8]) -> String {
    shown(line)
}
