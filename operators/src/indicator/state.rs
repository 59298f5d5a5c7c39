//! Numbers in words: how an indicator reads and writes its state.
//!
//! A word is 64 bits: a count, a whole number, or the bits of a double. A sum of 128 bits takes two, the
//! lower one first.

/// The first `N` words and those after them, where `N` is no more than the indicator asked for.
#[inline(always)]
pub fn split<const N: usize>(state: &mut [u64]) -> (&mut [u64; N], &mut [u64]) {
    state.split_first_chunk_mut().expect("as many words as the indicator asked for")
}

/// All words of a state that has `N`, as an array: what follows needs no check of their number.
#[inline(always)]
pub fn fixed<const N: usize>(state: &mut [u64]) -> &mut [u64; N] {
    split(state).0
}

/// A number that lies in one word or two.
pub trait Word: Copy + Default + Send + Sync + 'static {
    /// How many words it takes.
    const WORDS: usize;
    /// Reads number `at`, from 0, of those that lie in `words`.
    fn load(words: &[u64], at: usize) -> Self;
    /// Writes it where number `at` lies.
    fn store(self, words: &mut [u64], at: usize);
}

impl Word for i64 {
    const WORDS: usize = 1;

    #[inline(always)]
    fn load(words: &[u64], at: usize) -> Self {
        words[at] as i64
    }

    #[inline(always)]
    fn store(self, words: &mut [u64], at: usize) {
        words[at] = self as u64;
    }
}

impl Word for f64 {
    const WORDS: usize = 1;

    #[inline(always)]
    fn load(words: &[u64], at: usize) -> Self {
        f64::from_bits(words[at])
    }

    #[inline(always)]
    fn store(self, words: &mut [u64], at: usize) {
        words[at] = self.to_bits();
    }
}

impl Word for i128 {
    const WORDS: usize = 2;

    #[inline(always)]
    fn load(words: &[u64], at: usize) -> Self {
        let [low, high] = words.as_chunks().0[at];
        i128::from(low) | i128::from(high as i64) << 64
    }

    #[inline(always)]
    fn store(self, words: &mut [u64], at: usize) {
        words.as_chunks_mut().0[at] = [self as u64, (self >> 64) as u64];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back<T: Word>(value: T) -> T {
        let mut words = vec![u64::MAX; 3 * T::WORDS];
        value.store(&mut words, 1);
        assert!(words.iter().filter(|&&word| word == u64::MAX).count() >= 2 * T::WORDS);
        T::load(&words, 1)
    }

    proptest! {
        #[test]
        fn numbers_come_back_as_they_were(short: i64, wide: i128, bits: u64) {
            prop_assert_eq!(there_and_back(short), short);
            prop_assert_eq!(there_and_back(wide), wide);
            prop_assert_eq!(there_and_back(f64::from_bits(bits)).to_bits(), bits);
        }
    }
}
