//! A text file as it is: every chunk is read and decoded by itself.
//!
//! A line belongs to the chunk that its first byte lies in: a chunk skips what the one before began and
//! reads on until its own last line ends.

use super::super::desk::Desk;
use super::super::fail;
use super::super::feed::{Plan, Planned, Step, Task};
use super::{CHUNK_BYTES, Chunk, LINE_BYTES_MAX, PAD, Shape, decode_chunk};
use crate::RawRecords;
use market::PartitionError;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes read at once behind a chunk to find the end of its last line.
const TAIL_BYTES: usize = 1 << 12;

#[derive(Debug)]
struct Input {
    file: File,
    path: PathBuf,
    data_start: u64,
    length: u64,
    shape: Shape,
    chunk_bytes: u64,
}

/// The chunks of a plain text file.
pub(in super::super) struct Plain {
    input: Arc<Input>,
    next: u64,
}

impl Plain {
    pub(in super::super) fn new(
        file: File,
        path: PathBuf,
        data_start: u64,
        length: u64,
        shape: Shape,
    ) -> Self {
        let chunk_bytes = CHUNK_BYTES as u64;
        let input = Input { file, path, data_start, length, shape, chunk_bytes };
        Plain { input: Arc::new(input), next: data_start }
    }

    /// With chunks of another size: for the law that it is invisible.
    #[cfg(test)]
    pub(in super::super) fn with_chunks(mut self, bytes: usize) -> Self {
        if let Some(input) = Arc::get_mut(&mut self.input) {
            input.chunk_bytes = bytes.max(1) as u64;
        }
        self
    }
}

impl Plan for Plain {
    fn next(&mut self) -> Result<Planned, PartitionError> {
        if self.next >= self.input.length {
            return Ok(Planned::End);
        }
        let from = self.next;
        self.next = (from + self.input.chunk_bytes).min(self.input.length);
        Ok(Planned::Task(Box::new(PlainTask { input: self.input.clone(), from, to: self.next })))
    }

    fn skip_to_tail(&mut self) {
        self.next = self.next.max(self.input.length.saturating_sub(self.input.chunk_bytes));
    }
}

struct PlainTask {
    input: Arc<Input>,
    from: u64,
    to: u64,
}

impl Task for PlainTask {
    fn step(&mut self, desk: &mut Desk) -> Result<Step, PartitionError> {
        let read = self.read(desk).map_err(|error| {
            let what = format!("reading at byte {}: {error}", self.from);
            fail(&self.input.path, &what)
        })?;
        let pieces = match read {
            Some(chunk) => vec![decode_chunk(chunk, &self.input.shape, desk)],
            None => Vec::new(),
        };
        Ok(Step { pieces, done: true })
    }
}

impl PlainTask {
    /// The lines that begin in the chunk, if any do.
    fn read(&self, desk: &mut Desk) -> io::Result<Option<Chunk>> {
        let file = &self.input.file;
        let is_first = self.from == self.input.data_start;
        // One byte more tells whether a line begins exactly here.
        let start = if is_first { self.from } else { self.from - 1 };
        let length = (self.to - start) as usize;
        let mut bytes = buffer(desk, PAD + length + TAIL_BYTES);
        let mut end = PAD + length;
        file.read_exact_at(&mut bytes[PAD..end], start)?;
        let from = match is_first {
            true => PAD,
            false => match memchr::memchr(b'\n', &bytes[PAD..end]) {
                Some(at) if PAD + at + 1 < end => PAD + at + 1,
                _ => return Ok(None),
            },
        };
        let mut at = self.to;
        let mut is_cut = false;
        if bytes[end - 1] != b'\n' {
            loop {
                if bytes.len() < end + TAIL_BYTES + 1 {
                    bytes.resize(end + TAIL_BYTES + 1, 0);
                }
                let wanted = TAIL_BYTES.min((self.input.length - at) as usize);
                file.read_exact_at(&mut bytes[end..end + wanted], at)?;
                if let Some(newline) = memchr::memchr(b'\n', &bytes[end..end + wanted]) {
                    end += newline + 1;
                    break;
                }
                end += wanted;
                at += wanted as u64;
                is_cut = at - self.to >= LINE_BYTES_MAX as u64;
                if at >= self.input.length || is_cut {
                    bytes[end] = b'\n';
                    end += 1;
                    break;
                }
            }
        }
        Ok(Some(Chunk { bytes, from, to: end, is_cut }))
    }
}

/// A buffer of at least `length` bytes, used before if possible.
fn buffer(desk: &mut Desk, length: usize) -> Vec<u8> {
    let mut spare = desk.spare.take();
    let mut bytes = match &mut spare.raw {
        RawRecords::Lines { bytes, .. } => std::mem::take(bytes),
        RawRecords::Columns => Vec::new(),
    };
    desk.spare.put(spare);
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
    bytes
}
