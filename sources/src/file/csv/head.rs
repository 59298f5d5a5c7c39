//! The head of a text file: its columns, and where its first record may stand.

use super::{LINE_BYTES_MAX, cells, numbered, shown_line};
use crate::layout::Layout;
use std::io::{self, Read};

/// What stands before the records.
#[derive(Debug)]
pub(in super::super) struct Head {
    /// The columns; none when the file has no line.
    pub(in super::super) columns: Vec<String>,
    /// Where the lines of records begin.
    pub(in super::super) data_start: u64,
    /// What was read from there on.
    pub(in super::super) ahead: Vec<u8>,
    /// The text has two bytes a character, as its first two tell.
    pub(in super::super) is_utf16: bool,
}

/// Reads up to the first line that is neither blank nor a comment.
pub(in super::super) fn read_head(input: &mut dyn Read, layout: &Layout) -> io::Result<Head> {
    let mut bytes = Vec::new();
    let mut at_end = false;
    loop {
        if let Some((start, end)) = first_line(&bytes, layout, at_end) {
            let is_utf16 = matches!(bytes[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
                || matches!(bytes[..], [0, 1..=255, ..] | [1..=255, 0, ..]);
            let line = &bytes[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let names = cells(line, layout.delimiter);
            let (columns, data) = match layout.header {
                true => (names, (end + 1).min(bytes.len())),
                false => (numbered(names.len()), start),
            };
            let (data_start, ahead) = (data as u64, bytes.split_off(data));
            return Ok(Head { columns, data_start, ahead, is_utf16 });
        }
        if at_end {
            let data_start = bytes.len() as u64;
            let (columns, ahead) = (Vec::new(), Vec::new());
            return Ok(Head { columns, data_start, ahead, is_utf16: false });
        }
        if bytes.len() > LINE_BYTES_MAX {
            let given = shown_line(&bytes[..80]);
            let what = format!("no line end in the first {LINE_BYTES_MAX} bytes: {given}...");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let read = input.take(1 << 16).read_to_end(&mut bytes)?;
        at_end = read == 0;
    }
}

fn first_line(bytes: &[u8], layout: &Layout, at_end: bool) -> Option<(usize, usize)> {
    let mut start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    loop {
        let end = match memchr::memchr(b'\n', &bytes[start..]) {
            Some(end) => start + end,
            None if at_end && start < bytes.len() => bytes.len(),
            None => return None,
        };
        let line = &bytes[start..end];
        let is_comment = layout.comment.is_some_and(|comment| line.first() == Some(&comment));
        if !is_comment && !matches!(line, b"" | b"\r") {
            return Some((start, end));
        }
        start = (end + 1).min(bytes.len());
    }
}
