//! The bytes of a snapshot: words in as few bytes as they need (LEB128), and symbols by their text.

use market::{SymbolId, Symbols};

/// Why a snapshot was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It ends early.
    #[error("a snapshot of admission ends at byte {0}, where more was wanted")]
    Short(usize),
    /// It holds something that no snapshot holds.
    #[error("a snapshot of admission is corrupt at byte {0}")]
    Corrupt(usize),
}

/// The most bytes that a word takes.
const MOST: usize = u64::BITS.div_ceil(7) as usize;

/// Appends words and texts.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    #[inline]
    pub(super) fn u64(&mut self, mut value: u64) {
        let (mut word, mut length) = ([0; MOST], 0);
        while value >= 0x80 {
            word[length] = value as u8 | 0x80;
            value >>= 7;
            length += 1;
        }
        word[length] = value as u8;
        self.bytes.extend_from_slice(&word[..=length]);
    }

    /// Small ones of either sign in few bytes.
    pub(super) fn i64(&mut self, value: i64) {
        self.u64((value << 1 ^ value >> 63) as u64);
    }

    pub(super) fn u128(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Words that are about as small as one another, each in as many bytes as the greatest needs.
    pub(super) fn column(&mut self, values: impl Iterator<Item = u64> + Clone) {
        let all = values.clone().fold(0, |all, value| all | value);
        let width = (u64::BITS - all.leading_zeros()).div_ceil(8) as usize;
        self.bytes.push(width as u8);
        let mut at = self.bytes.len();
        // Whole words are stored, each over the zeros of the one before it.
        self.bytes.resize(at + values.clone().count() * width + size_of::<u64>(), 0);
        for value in values {
            self.bytes[at..at + size_of::<u64>()].copy_from_slice(&value.to_le_bytes());
            at += width;
        }
        self.bytes.truncate(at);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.u64(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }
}

/// Reads back what a [`Writer`] appended; fails instead of panicking on bytes of another kind.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    symbols: &'a Symbols,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], symbols: &'a Symbols) -> Self {
        Reader { bytes, at: 0, symbols }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], SnapshotError> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let slice = &self.bytes[self.at..end.ok_or(SnapshotError::Short(self.at))?];
        self.at += count;
        Ok(slice)
    }

    pub(super) fn u64(&mut self) -> Result<u64, SnapshotError> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.corrupt())
    }

    pub(super) fn i64(&mut self) -> Result<i64, SnapshotError> {
        self.u64().map(|word| (word >> 1) as i64 ^ -((word & 1) as i64))
    }

    pub(super) fn u128(&mut self) -> Result<u128, SnapshotError> {
        let bytes = self.take(16)?.try_into().map_err(|_| SnapshotError::Short(self.at))?;
        Ok(u128::from_le_bytes(bytes))
    }

    /// As many words as [`Writer::column`] appended.
    pub(super) fn column(
        &mut self,
        count: u32,
    ) -> Result<impl Iterator<Item = u64> + use<'a>, SnapshotError> {
        let width = usize::from(self.take(1)?[0]);
        if width > size_of::<u64>() {
            return Err(self.corrupt());
        }
        let bytes = self.take(count as usize * width)?;
        let word = move |at: usize| {
            let mut word = [0; size_of::<u64>()];
            word[..width].copy_from_slice(&bytes[at * width..][..width]);
            u64::from_le_bytes(word)
        };
        Ok((0..count as usize).map(word))
    }

    /// How many of something follow, each of at least one byte.
    pub(super) fn count(&mut self) -> Result<usize, SnapshotError> {
        let count = self.u64()? as usize;
        let room = self.bytes.len() - self.at;
        (count <= room).then_some(count).ok_or(SnapshotError::Corrupt(self.at))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, SnapshotError> {
        let length = self.u64()? as usize;
        let at = self.at;
        std::str::from_utf8(self.take(length)?).map_err(|_| SnapshotError::Corrupt(at))
    }

    pub(super) fn symbol(&mut self) -> Result<SymbolId, SnapshotError> {
        let text = self.text()?;
        self.symbols.intern(text.as_bytes()).map_err(|_| SnapshotError::Corrupt(self.at))
    }

    /// A symbol, or nothing for empty text.
    pub(super) fn optional_symbol(&mut self) -> Result<Option<SymbolId>, SnapshotError> {
        let text = self.text()?;
        let intern = |text: &str| self.symbols.intern(text.as_bytes());
        let id = (!text.is_empty()).then(|| intern(text)).transpose();
        id.map_err(|_| SnapshotError::Corrupt(self.at))
    }

    pub(super) fn corrupt(&self) -> SnapshotError {
        SnapshotError::Corrupt(self.at)
    }

    pub(super) fn is_over(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn end(&self) -> Result<(), SnapshotError> {
        self.is_over().then_some(()).ok_or(SnapshotError::Corrupt(self.at))
    }
}

/// Appends what `write` does, behind its length.
pub(super) fn section(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Writer)) {
    let start = bytes.len() + size_of::<u64>();
    bytes.resize(start, 0);
    let mut to = Writer { bytes: std::mem::take(bytes) };
    write(&mut to);
    *bytes = to.bytes;
    let length = (bytes.len() - start) as u64;
    bytes[start - size_of::<u64>()..start].copy_from_slice(&length.to_le_bytes());
}

/// The sections that follow one another.
pub(super) fn sections(mut bytes: &[u8]) -> Result<Vec<&[u8]>, SnapshotError> {
    let (mut sections, whole) = (Vec::new(), bytes.len());
    while !bytes.is_empty() {
        let short = SnapshotError::Short(whole - bytes.len());
        let (length, rest) = bytes.split_first_chunk().ok_or(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short)?;
        let (section, rest) = rest.split_at_checked(length).ok_or(short)?;
        sections.push(section);
        bytes = rest;
    }
    Ok(sections)
}
