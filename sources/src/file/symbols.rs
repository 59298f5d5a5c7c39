//! A decoder thread's cache in front of the process's symbol table, whose lock a row must not take.
//!
//! Texts of up to 15 bytes are one 128-bit key (the bytes and their number), compared whole and kept
//! in open addressing; longer ones in a map. At [`CACHED_MAX`] texts the cache starts anew.

use market::{Scale, SymbolError, SymbolId, Symbols};
use std::collections::HashMap;

/// Texts a decoder thread keeps.
const CACHED_MAX: usize = 1 << 16;
/// Slots a cache begins with.
const SLOTS_MIN: usize = 1 << 10;
/// Bytes of the longest text that is a key.
const KEY_BYTES: usize = 15;

#[derive(Clone, Copy)]
struct Slot {
    key: u128,
    id: SymbolId,
}

pub(crate) struct SymbolCache {
    symbols: Symbols,
    slots: Vec<Slot>,
    used: usize,
    long: HashMap<Box<[u8]>, SymbolId>,
    /// Whether some symbol has a scale of its own.
    scaled: bool,
}

impl SymbolCache {
    pub(crate) fn new(symbols: Symbols) -> Self {
        let slots = empty_slots(SLOTS_MIN);
        SymbolCache { symbols, slots, used: 0, long: HashMap::new(), scaled: false }
    }

    /// Whether a symbol seen so far has scales other than nine digits.
    pub(crate) fn has_scales(&self) -> bool {
        self.scaled
    }

    pub(crate) fn price_scale(&self, id: SymbolId) -> Scale {
        self.symbols.scales(id).price
    }

    pub(crate) fn size_scale(&self, id: SymbolId) -> Scale {
        self.symbols.scales(id).size
    }

    /// The id of the text `bytes[start..end]`. Sixteen bytes before `end` must exist for the fast way.
    #[inline(always)]
    pub(crate) fn at(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
    ) -> Result<SymbolId, SymbolError> {
        let length = end - start;
        if length.wrapping_sub(1) < KEY_BYTES
            && let Some(word) = end.checked_sub(16).and_then(|from| bytes.get(from..end))
            && let Ok(word) = <[u8; 16]>::try_from(word)
        {
            let key = u128::from_le_bytes(word) >> (8 * (16 - length)) | (length as u128) << 120;
            let mask = self.slots.len() - 1;
            let mut at = hash(key) & mask;
            loop {
                let slot = self.slots[at];
                if slot.key == key {
                    return Ok(slot.id);
                }
                if slot.key == 0 {
                    return self.learn(key, &bytes[start..end]);
                }
                at = (at + 1) & mask;
            }
        }
        self.long_text(&bytes[start..end])
    }

    /// The id of a text that stands alone.
    pub(crate) fn text(&mut self, text: &[u8]) -> Result<SymbolId, SymbolError> {
        if text.len() > KEY_BYTES {
            return self.long_text(text);
        }
        let mut padded = [0; 16];
        padded[16 - text.len()..].copy_from_slice(text);
        self.at(&padded, 16 - text.len(), 16)
    }

    #[cold]
    fn learn(&mut self, key: u128, text: &[u8]) -> Result<SymbolId, SymbolError> {
        let id = self.intern(text)?;
        if self.used >= CACHED_MAX {
            self.slots = empty_slots(SLOTS_MIN);
            self.used = 0;
        }
        if (self.used + 1) * 2 > self.slots.len() {
            let old = std::mem::take(&mut self.slots);
            self.slots = empty_slots(old.len() * 2);
            for slot in old.into_iter().filter(|slot| slot.key != 0) {
                self.put(slot);
            }
        }
        self.put(Slot { key, id });
        self.used += 1;
        Ok(id)
    }

    fn put(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = hash(slot.key) & mask;
        while self.slots[at].key != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    #[cold]
    fn long_text(&mut self, text: &[u8]) -> Result<SymbolId, SymbolError> {
        if let Some(&id) = self.long.get(text) {
            return Ok(id);
        }
        let id = self.intern(text)?;
        if self.long.len() >= CACHED_MAX {
            self.long.clear();
        }
        self.long.insert(text.into(), id);
        Ok(id)
    }

    fn intern(&mut self, text: &[u8]) -> Result<SymbolId, SymbolError> {
        let id = self.symbols.intern(text)?;
        self.scaled |= self.symbols.scales(id) != market::Scales::default();
        Ok(id)
    }
}

fn empty_slots(count: usize) -> Vec<Slot> {
    vec![Slot { key: 0, id: SymbolId::default() }; count]
}

#[inline(always)]
fn hash(key: u128) -> usize {
    let folded = (key as u64) ^ ((key >> 64) as u64).rotate_left(23);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_gives_what_the_table_gives() {
        let symbols = Symbols::default();
        let mut cache = SymbolCache::new(symbols.clone());
        for round in 0..2 {
            for k in 0..70_000u32 {
                let text = match k % 3 {
                    0 => format!("S{k}"),
                    1 => format!("a much longer name {k}"),
                    _ => format!("{k:015}"),
                };
                assert_eq!(cache.text(text.as_bytes()), symbols.intern(text.as_bytes()), "{round}");
            }
        }
        assert_eq!(symbols.len(), 70_000);
        assert_eq!(cache.text(b""), Err(SymbolError::Empty));
        assert_eq!(cache.text(b"a\0"), Err(SymbolError::Unprintable));
    }
}
