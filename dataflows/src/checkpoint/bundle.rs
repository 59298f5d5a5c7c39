//! What one worker holds at a boundary, as one object: its symbols, and pieces of state by name.
//!
//! Words are little-endian; a piece's symbols are numbers into the bundle's own dictionary, so that any
//! process can read it. The object ends with a checksum of everything before it.

use super::manifest::{FORMAT, checksum};
use market::{SymbolId, Symbols};
use operators::Restore;

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

/// The bytes of a bundle.
pub fn encode(symbols: &Symbols, pieces: &[Piece]) -> Vec<u8> {
    let texts = symbols.texts_from(0);
    let words: usize = pieces.iter().map(|piece| piece.words.len()).sum();
    let mut to = Vec::with_capacity(words * 8 + (1 << 16));
    let word = |to: &mut Vec<u8>, value: u64| to.extend_from_slice(&value.to_le_bytes());
    [MAGIC, FORMAT, texts.len() as u64].into_iter().for_each(|value| word(&mut to, value));
    for text in &texts {
        word(&mut to, text.len() as u64);
        to.extend_from_slice(text.as_bytes());
    }
    word(&mut to, pieces.len() as u64);
    for piece in pieces {
        for length in [piece.name.len(), piece.words.len(), piece.bytes.len()] {
            word(&mut to, length as u64);
        }
        to.extend_from_slice(piece.name.as_bytes());
        piece.words.iter().for_each(|value| to.extend_from_slice(&value.to_le_bytes()));
        to.extend_from_slice(&piece.bytes);
    }
    let sum = sum_of(&to);
    word(&mut to, sum);
    to
}

/// A checksum by words: a byte at a time would cost more than writing.
fn sum_of(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0x9e37_79b9_7f4a_7c15, |sum: u64, word| {
        (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
    });
    sum ^ checksum(rest)
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
    /// Reads an object; its symbols become known to `symbols`.
    ///
    /// # Errors
    /// Refuses bytes that are no whole bundle, or one of another format.
    pub fn decode(bytes: &[u8], symbols: &Symbols) -> Result<Self, BundleError> {
        let Some((body, sum)) = bytes.split_last_chunk::<8>() else {
            return Err(BundleError::Damaged);
        };
        if sum_of(body) != u64::from_le_bytes(*sum) {
            return Err(BundleError::Damaged);
        }
        let mut from = Cursor { bytes: body };
        if from.word()? != MAGIC {
            return Err(BundleError::Damaged);
        }
        let format = from.word()?;
        if format != FORMAT {
            return Err(BundleError::Format(format));
        }
        let mut known = Vec::new();
        for _ in 0..from.word()? {
            let length = from.word()?;
            let text = from.take(length)?;
            known.push(symbols.intern(text).map_err(|_| BundleError::Damaged)?);
        }
        let mut pieces = Vec::new();
        for _ in 0..from.word()? {
            let [name, words, bytes] = [from.word()?, from.word()?, from.word()?];
            let name = String::from_utf8_lossy(from.take(name)?).into_owned();
            let (words, _) = from.take(words.saturating_mul(8))?.as_chunks::<8>();
            let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
            pieces.push(Piece { name, words, bytes: from.take(bytes)?.to_vec() });
        }
        Ok(Bundle { symbols: known, pieces })
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
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], BundleError> {
        let length = usize::try_from(length).map_err(|_| BundleError::Damaged)?;
        let (mine, rest) = self.bytes.split_at_checked(length).ok_or(BundleError::Damaged)?;
        self.bytes = rest;
        Ok(mine)
    }

    fn word(&mut self) -> Result<u64, BundleError> {
        let word = self.take(8)?.first_chunk().ok_or(BundleError::Damaged)?;
        Ok(u64::from_le_bytes(*word))
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
        let bytes = encode(&symbols, &[piece.clone(), Piece::default()]);
        let others = Symbols::default();
        others.intern(b"B").unwrap();
        let bundle = Bundle::decode(&bytes, &others).unwrap();
        let (mut restored, rest) = bundle.pieces("tick/0").next().unwrap();
        assert_eq!(&*others.text(restored.symbol()), "B");
        assert_eq!(&*others.text(restored.symbol()), "A");
        assert_eq!(rest, [1, 2, 3]);
        assert_eq!(bundle.pieces("tick/1").count(), 0);
        for cut in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[cut] ^= 4;
            assert!(Bundle::decode(&damaged, &Symbols::default()).is_err(), "at {cut}");
            assert!(Bundle::decode(&bytes[..cut], &Symbols::default()).is_err(), "to {cut}");
        }
    }
}
