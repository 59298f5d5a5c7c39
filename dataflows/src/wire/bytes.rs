//! Little-endian words and texts, padded to eight bytes as timely's channels between processes want.
//!
//! Both ends are the same program; a message that does not read back is a broken invariant and panics,
//! which ends the process, as every lost peer does.

use timely::bytes::arc::Bytes;

/// Appends words and texts.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.u64(value as u64);
    }

    pub(super) fn i128(&mut self, value: i128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn words(&mut self, words: &[u64]) {
        self.u64(words.len() as u64);
        words.iter().for_each(|&word| self.u64(word));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    pub(super) fn blob(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what a [`Writer`] appended.
pub(super) struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        Reader { bytes, at: 0 }
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let from = self.at;
        self.at += count;
        &self.bytes[from..self.at]
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    pub(super) fn i64(&mut self) -> i64 {
        self.u64() as i64
    }

    pub(super) fn i128(&mut self) -> i128 {
        i128::from_le_bytes(self.take(16).try_into().expect("sixteen bytes"))
    }

    pub(super) fn len(&mut self) -> usize {
        self.u64() as usize
    }

    pub(super) fn words(&mut self) -> Vec<u64> {
        (0..self.len()).map(|_| self.u64()).collect()
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8(self.blob()).expect("text was written")
    }

    pub(super) fn blob(&mut self) -> Vec<u8> {
        let len = self.len();
        let bytes = self.take(len).to_vec();
        self.at = self.at.next_multiple_of(8);
        bytes
    }
}
