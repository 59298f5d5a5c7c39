//! Symbols: a venue's text, interned to a dense id inside the process.
//!
//! Ids are given in order of first sight and differ between processes and runs, so nothing that leaves
//! the engine may depend on one: outputs are ordered by text, work is spread by a stable hash of it.

use crate::fixed::Scale;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// A symbol's dense id inside this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SymbolId(u32);

impl SymbolId {
    /// As an index into dense tables.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// From an index that [`SymbolId::index`] gave.
    #[inline]
    pub const fn from_index(index: u32) -> Self {
        SymbolId(index)
    }
}

/// Key groups that state beyond the exchange is spread over.
pub const KEY_GROUPS: u32 = 256;

/// Bytes a symbol may have.
const SYMBOL_BYTES_MAX: usize = 64;

/// Price and size scale of an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scales {
    /// Of its prices.
    pub price: Scale,
    /// Of its sizes.
    pub size: Scale,
}

/// Why a text is no symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// Empty.
    #[error("empty symbol")]
    Empty,
    /// Longer than 64 bytes.
    #[error("a symbol has at most 64 bytes, not {0}")]
    Long(usize),
    /// Not UTF-8, or with control characters.
    #[error("a symbol is printable UTF-8")]
    Unprintable,
}

#[derive(Clone)]
struct Entry {
    text: Arc<str>,
    group: u8,
    /// None where [`Symbols::with_scales`] was not given the symbol.
    scales: Option<Scales>,
}

#[derive(Default)]
struct Interner {
    by_text: HashMap<Arc<str>, SymbolId>,
    entries: Vec<Entry>,
}

/// The process's symbols. Clones share one table; it only grows.
#[derive(Clone, Default)]
pub struct Symbols {
    interner: Arc<RwLock<Interner>>,
    scales: Arc<HashMap<String, Scales>>,
}

impl Symbols {
    /// An empty table that gives the symbols of `scales` scales other than nine digits.
    pub fn with_scales(scales: HashMap<String, Scales>) -> Self {
        Symbols { interner: Arc::default(), scales: Arc::new(scales) }
    }

    /// The id of `text`, new or known. Takes a lock: callers keep a cache of their own.
    ///
    /// # Errors
    /// Refuses text that is empty, too long or unprintable.
    pub fn intern(&self, text: &[u8]) -> Result<SymbolId, SymbolError> {
        let text = validate(text)?;
        if let Some(&id) = self.read().by_text.get(text) {
            return Ok(id);
        }
        let mut interner = self.interner.write().expect("no holder of this lock panics");
        if let Some(&id) = interner.by_text.get(text) {
            return Ok(id);
        }
        let id = SymbolId(u32::try_from(interner.entries.len()).expect("fewer than 2^32 symbols"));
        let entry = Entry {
            text: text.into(),
            group: (stable_hash(text.as_bytes()) % u64::from(KEY_GROUPS)) as u8,
            scales: self.scales.get(text).copied(),
        };
        interner.by_text.insert(entry.text.clone(), id);
        interner.entries.push(entry);
        Ok(id)
    }

    /// The text of an id this table gave.
    pub fn text(&self, id: SymbolId) -> Arc<str> {
        self.read().entries[id.index()].text.clone()
    }

    /// The scales of an id this table gave.
    pub fn scales(&self, id: SymbolId) -> Scales {
        self.read().entries[id.index()].scales.unwrap_or_default()
    }

    /// Whether an id this table gave is that of a symbol with scales of its own: the universe names it.
    pub fn is_listed(&self, id: SymbolId) -> bool {
        self.read().entries[id.index()].scales.is_some()
    }

    /// The key group of an id this table gave: 0 to 255, by a stable hash of the text.
    pub fn group(&self, id: SymbolId) -> u8 {
        self.read().entries[id.index()].group
    }

    /// How many symbols there are; ids are below it.
    pub fn len(&self) -> usize {
        self.read().entries.len()
    }

    /// Whether no symbol was seen yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The texts from id `from` on, in order of id: how a reader keeps a copy without the lock.
    pub fn texts_from(&self, from: usize) -> Vec<Arc<str>> {
        self.read().entries.iter().skip(from).map(|e| e.text.clone()).collect()
    }

    /// Whether `other` is a clone of this table, so that both know the same ids.
    pub fn same_table(&self, other: &Symbols) -> bool {
        Arc::ptr_eq(&self.interner, &other.interner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Interner> {
        self.interner.read().expect("no holder of this lock panics")
    }
}

fn validate(text: &[u8]) -> Result<&str, SymbolError> {
    if text.is_empty() {
        return Err(SymbolError::Empty);
    }
    if text.len() > SYMBOL_BYTES_MAX {
        return Err(SymbolError::Long(text.len()));
    }
    let text = std::str::from_utf8(text).map_err(|_| SymbolError::Unprintable)?;
    if text.chars().any(char::is_control) {
        return Err(SymbolError::Unprintable);
    }
    Ok(text)
}

/// FNV-1a with a final mix: the same number on every machine and in every version. Key groups and the
/// partitions of topics follow from it.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_dense_and_groups_stable() {
        let symbols = Symbols::default();
        assert_eq!(symbols.intern(b"NVDA"), Ok(SymbolId(0)));
        assert_eq!(symbols.intern(b".BRL"), Ok(SymbolId(1)));
        assert_eq!(symbols.intern(b"NVDA"), Ok(SymbolId(0)));
        assert_eq!(&*symbols.text(SymbolId(1)), ".BRL");
        // Written down, because checkpoints and partitions of topics depend on it.
        assert_eq!(symbols.group(SymbolId(0)), Symbols::default().clone_group("NVDA"));
        assert_eq!(symbols.intern(b""), Err(SymbolError::Empty));
        assert_eq!(symbols.intern(b"A\x07"), Err(SymbolError::Unprintable));
        assert_eq!(symbols.intern(&[0xff]), Err(SymbolError::Unprintable));
        assert_eq!(symbols.intern(&[b'A'; 65]), Err(SymbolError::Long(65)));
    }

    impl Symbols {
        fn clone_group(&self, text: &str) -> u8 {
            (stable_hash(text.as_bytes()) % u64::from(KEY_GROUPS)) as u8
        }
    }
}
