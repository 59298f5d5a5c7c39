//! What one worker holds at a boundary, as one object: its symbols, and pieces of state by name.
//!
//! All of it is little-endian words, texts and bytes being filled up to whole ones; a piece's symbols are numbers
//! into the bundle's own dictionary, so that any process can read it. The last word is a checksum of the object's name
//! and all before it: an object in another's place is none.

use super::manifest::{FORMAT, checksum};
use bytes::Bytes;
use market::{SymbolId, Symbols};
use operators::Restore;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Tells a bundle from other files.
const MAGIC: u64 = u64::from_le_bytes(*b"TMBUNDLE");

/// A part of a worker's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Whose: `tick/3`, `Bars`, `RollUps 5min`.
    pub name: String,
    /// State in words, as kernels and the glue write it.
    pub words: Vec<u64>,
    /// State in bytes, as admission writes it.
    pub bytes: Vec<u8>,
}

/// Why an object is no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Cut short or damaged.
    #[error("a bundle of state is damaged: its checksum differs")]
    Damaged,
    /// Of another version.
    #[error("a bundle of format {0}, this program reads {FORMAT}")]
    Format(u64),
}

/// Buffers of pieces that were written, by the names of those, for the next ones: memory that was written before is
/// written again for half the cost of new memory. As much is kept as one checkpoint takes.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<HashMap<String, Buffers>>>);

#[derive(Default)]
struct Buffers {
    words: Vec<Vec<u64>>,
    bytes: Vec<Vec<u8>>,
}

/// Buffers of one name that are kept: a stage's slices have one.
const KEPT_MAX: usize = 16;

impl Shelf {
    /// An empty piece of a name.
    pub fn piece(&self, name: String) -> Piece {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffers = shelf.get_mut(&name);
        let words = buffers.as_mut().and_then(|buffers| buffers.words.pop());
        let bytes = buffers.and_then(|buffers| buffers.bytes.pop());
        Piece { name, words: words.unwrap_or_default(), bytes: bytes.unwrap_or_default() }
    }

    fn put_back(&self, name: &str, put: impl FnOnce(&mut Buffers)) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        put(shelf.entry(name.to_owned()).or_default());
    }
}

fn keep<T>(kept: &mut Vec<Vec<T>>, mut buffer: Vec<T>) {
    buffer.clear();
    if buffer.capacity() > 0 && kept.len() < KEPT_MAX {
        kept.push(buffer);
    }
}

/// The bundle of a name as buffers that follow one another; words that pieces hold are not copied. They go back to the shelf
/// once they were written.
pub fn encode(object: &str, symbols: &Symbols, pieces: Vec<Piece>, shelf: &Shelf) -> Vec<Bytes> {
    let texts = symbols.texts_from(0);
    let mut buffers = Vec::with_capacity(pieces.len() * 2 + 2);
    let mut words = vec![MAGIC, FORMAT, texts.len() as u64];
    texts.iter().for_each(|text| append(&mut words, text.as_bytes()));
    words.push(pieces.len() as u64);
    for piece in pieces {
        append(&mut words, piece.name.as_bytes());
        append(&mut words, &piece.bytes);
        words.push(piece.words.len() as u64);
        shelf.put_back(&piece.name, |buffers| keep(&mut buffers.bytes, piece.bytes));
        let home = Some((piece.name, shelf.clone()));
        let before = Words { words: std::mem::take(&mut words), home: None };
        buffers.extend([before, Words { words: piece.words, home }]);
    }
    let all = buffers.iter().map(|buffer| &buffer.words).chain([&words]);
    let sum = all.fold(seed(object), |sum, words| sum_on(sum, words));
    words.push(sum);
    buffers.push(Words { words, home: None });
    buffers.into_iter().map(Bytes::from_owner).collect()
}

/// Appends bytes behind their number, filled up to whole words.
fn append(to: &mut Vec<u64>, bytes: &[u8]) {
    to.push(bytes.len() as u64);
    to.extend(words_of(bytes));
}

/// Bytes as words, the last one filled up.
pub fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (whole, rest) = bytes.as_chunks::<8>();
    let last = (!rest.is_empty()).then(|| {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        word
    });
    whole.iter().copied().chain(last).map(u64::from_le_bytes)
}

/// Words as the bytes of an object.
struct Words {
    words: Vec<u64>,
    /// The shelf that they are put back on, and under which name.
    home: Option<(String, Shelf)>,
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Some((name, shelf)) = self.home.take() {
            let words = std::mem::take(&mut self.words);
            shelf.put_back(&name, |buffers| keep(&mut buffers.words, words));
        }
    }
}

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }
}

#[cfg(target_endian = "big")]
compile_error!("words are written as they lie in memory, little-endian");

/// What the checksum of an object begins with.
fn seed(object: &str) -> u64 {
    0x9e37_79b9_7f4a_7c15 ^ checksum(object.as_bytes())
}

/// A checksum by words, over more of them: a byte at a time would cost more than writing.
fn sum_on(sum: u64, words: &[u64]) -> u64 {
    words
        .iter()
        .fold(sum, |sum, word| (sum ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29))
}

/// A bundle whose checksum is right, not read yet.
pub struct Checked {
    /// All of it but the checksum.
    words: Vec<u64>,
}

impl Checked {
    /// Looks whether the object of a name is whole.
    ///
    /// # Errors
    /// Refuses bytes that are no whole bundle, or one of another format.
    pub fn of(object: &str, bytes: &[u8]) -> Result<Self, BundleError> {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let sum = words.pop().filter(|_| rest.is_empty()).ok_or(BundleError::Damaged)?;
        if sum_on(seed(object), &words) != sum {
            return Err(BundleError::Damaged);
        }
        match words[..] {
            [MAGIC, FORMAT, ..] => Ok(Checked { words }),
            [MAGIC, format, ..] => Err(BundleError::Format(format)),
            _ => Err(BundleError::Damaged),
        }
    }

    /// Reads it; its symbols become known to `symbols`.
    ///
    /// # Errors
    /// Refuses what was not written as a bundle.
    pub fn open(self, symbols: &Symbols) -> Result<Bundle, BundleError> {
        // Mark and format were looked at.
        let mut from = Cursor { words: &self.words[2..] };
        let mut known = Vec::new();
        for _ in 0..from.word()? {
            let text = from.bytes()?;
            known.push(symbols.intern(&text).map_err(|_| BundleError::Damaged)?);
        }
        let mut pieces = Vec::new();
        for _ in 0..from.word()? {
            let name = String::from_utf8_lossy(&from.bytes()?).into_owned();
            let bytes = from.bytes()?;
            let length = from.word()?;
            pieces.push(Piece { name, words: from.take(length)?.to_vec(), bytes });
        }
        Ok(Bundle { symbols: known, pieces })
    }
}

/// A bundle in this process's symbols.
#[derive(Debug)]
pub struct Bundle {
    /// This process's ids of the bundle's symbols.
    symbols: Vec<SymbolId>,
    /// The pieces.
    pieces: Vec<Piece>,
}

impl Bundle {
    /// Reads the object of a name; its symbols become known to `symbols`.
    ///
    /// # Errors
    /// Refuses bytes that are no whole bundle of that name, or one of another format.
    pub fn decode(object: &str, bytes: &[u8], symbols: &Symbols) -> Result<Self, BundleError> {
        Checked::of(object, bytes)?.open(symbols)
    }

    /// The names of the pieces.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().map(|piece| piece.name.as_str())
    }

    /// The pieces of a name.
    pub fn pieces<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (Restore<'a>, &'a [u8])> + 'a {
        let pieces = self.pieces.iter().filter(move |piece| piece.name == name);
        pieces.map(|piece| (Restore::foreign(&piece.words, &self.symbols), &*piece.bytes))
    }
}

struct Cursor<'a> {
    words: &'a [u64],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u64], BundleError> {
        let length = usize::try_from(length).map_err(|_| BundleError::Damaged)?;
        let (mine, rest) = self.words.split_at_checked(length).ok_or(BundleError::Damaged)?;
        self.words = rest;
        Ok(mine)
    }

    fn word(&mut self) -> Result<u64, BundleError> {
        Ok(self.take(1)?[0])
    }

    /// What [`append`] wrote.
    fn bytes(&mut self) -> Result<Vec<u8>, BundleError> {
        let length = self.word()?;
        let mut bytes: Vec<u8> = bytemuck::cast_slice(self.take(length.div_ceil(8))?).to_vec();
        bytes.truncate(length as usize);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_read_in_other_symbols_or_refused() {
        let symbols = Symbols::default();
        let [a, b] = ["A", "B"].map(|text| symbols.intern(text.as_bytes()).unwrap());
        let mut words = operators::Snapshot::default();
        words.symbol(b);
        words.symbol(a);
        let name = "tick/0".to_owned();
        let piece = Piece { name, words: words.words().to_vec(), bytes: vec![1, 2, 3] };
        let shelf = Shelf::default();
        let written = encode("a", &symbols, vec![piece.clone(), Piece::default()], &shelf);
        let bytes = written.concat();
        let early = shelf.piece("tick/0".to_owned());
        assert_eq!(early.words.capacity(), 0, "they are being written");
        assert!(early.bytes.is_empty() && early.bytes.capacity() >= piece.bytes.len());
        drop(written);
        let again = shelf.piece("tick/0".to_owned());
        assert!(again.words.is_empty() && again.words.capacity() >= piece.words.len());
        let others = Symbols::default();
        others.intern(b"B").unwrap();
        assert!(Bundle::decode("b", &bytes, &others).is_err(), "it is another's");
        let bundle = Bundle::decode("a", &bytes, &others).unwrap();
        let (mut restored, rest) = bundle.pieces("tick/0").next().unwrap();
        assert_eq!(&*others.text(restored.symbol()), "B");
        assert_eq!(&*others.text(restored.symbol()), "A");
        assert_eq!(rest, [1, 2, 3]);
        assert_eq!(bundle.pieces("tick/1").count(), 0);
        for cut in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[cut] ^= 4;
            assert!(Bundle::decode("a", &damaged, &Symbols::default()).is_err(), "at {cut}");
            assert!(Bundle::decode("a", &bytes[..cut], &Symbols::default()).is_err(), "to {cut}");
        }
    }
}
