//! The kernel contract: a deterministic state machine, one input at a time.
//!
//! Parameters go in when it is made; `update` cannot fail, reads no clock, allocates nothing in steady
//! state and costs O(1) or O(log n). A snapshot is the whole state, bit for bit, in 64-bit words: the
//! glue copies it to revise (restore the state before bar k, replay what follows), a checkpoint keeps it.
//! For every cut of every input: snapshot, then restore into a kernel made with the same parameters,
//! then the same outputs follow, bit for bit.

use market::SymbolId;

/// A state machine over inputs of one key in time order.
pub trait Kernel: Send {
    /// What it takes in: a bar, mostly.
    type Input;
    /// Where it writes its outputs: `[f64]` for a row of them (NaN while warming up), or a bar.
    type Output: ?Sized;

    /// Takes in the next input and writes every output.
    fn update(&mut self, input: &Self::Input, output: &mut Self::Output);

    /// Appends the whole state.
    fn snapshot(&self, to: &mut Snapshot);

    /// Takes on a state that [`Kernel::snapshot`] of a kernel with the same parameters wrote.
    fn restore(&mut self, from: &mut Restore<'_>);
}

impl<K: Kernel + ?Sized> Kernel for Box<K> {
    type Input = K::Input;
    type Output = K::Output;

    #[inline]
    fn update(&mut self, input: &Self::Input, output: &mut Self::Output) {
        (**self).update(input, output);
    }

    fn snapshot(&self, to: &mut Snapshot) {
        (**self).snapshot(to);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        (**self).restore(from);
    }
}

/// State as words, appended to a buffer that is used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    words: Vec<u64>,
}

impl Snapshot {
    /// Appends an unsigned word.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.words.push(value);
    }

    /// Appends a signed word.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.words.push(value as u64);
    }

    /// Appends a sum of two words.
    #[inline]
    pub fn i128(&mut self, value: i128) {
        self.words.extend([value as u64, (value >> 64) as u64]);
    }

    /// Appends a double by its bits.
    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.words.push(value.to_bits());
    }

    /// Appends words as they are.
    #[inline]
    pub fn u64s(&mut self, values: &[u64]) {
        self.words.extend_from_slice(values);
    }

    /// Appends to words that are there already.
    pub fn onto(words: Vec<u64>) -> Self {
        Snapshot { words }
    }

    /// Appends a symbol, by its id in this process.
    #[inline]
    pub fn symbol(&mut self, symbol: SymbolId) {
        self.u64(symbol.index() as u64);
    }

    /// Appends a word that counts what `save` appends behind it, which says how many.
    pub fn counted(&mut self, save: impl FnOnce(&mut Snapshot) -> u64) {
        let place = self.words.len();
        self.words.push(0);
        self.words[place] = save(self);
    }

    /// Empties it and keeps the buffer.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The words so far.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The words, without the buffer's comforts.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }

    /// Reads it from the start.
    pub fn reader(&self) -> Restore<'_> {
        Restore::new(&self.words)
    }
}

/// Reads words back in the order they were appended.
///
/// A word too few is a broken invariant (another kernel's snapshot) and panics.
#[derive(Clone, Debug)]
pub struct Restore<'a> {
    words: &'a [u64],
    /// This process's ids of the symbols 0, 1, ... of the process that wrote it; none where it is this one.
    symbols: Option<&'a [SymbolId]>,
}

impl<'a> Restore<'a> {
    /// Reads from the first of `words`.
    pub fn new(words: &'a [u64]) -> Self {
        Restore { words, symbols: None }
    }

    /// Reads what another process wrote, whose symbol number k is `symbols[k]` here.
    pub fn foreign(words: &'a [u64], symbols: &'a [SymbolId]) -> Self {
        Restore { words, symbols: Some(symbols) }
    }

    /// The next word, as a symbol of this process.
    #[inline]
    pub fn symbol(&mut self) -> SymbolId {
        let number = self.u64();
        match self.symbols {
            None => SymbolId::from_index(number as u32),
            Some(symbols) => symbols[number as usize],
        }
    }

    /// Passes over `count` words.
    pub fn skip(&mut self, count: usize) {
        self.words = &self.words[count..];
    }

    /// The next word, unsigned.
    #[inline]
    pub fn u64(&mut self) -> u64 {
        let (first, rest) = self.words.split_first().expect("a snapshot of the same kernel");
        self.words = rest;
        *first
    }

    /// The next word, signed.
    #[inline]
    pub fn i64(&mut self) -> i64 {
        self.u64() as i64
    }

    /// The next two words, as a sum.
    #[inline]
    pub fn i128(&mut self) -> i128 {
        let low = self.u64();
        i128::from(low) | i128::from(self.i64()) << 64
    }

    /// The next word as a double.
    #[inline]
    pub fn f64(&mut self) -> f64 {
        f64::from_bits(self.u64())
    }

    /// As many words as `to` is long, as they are.
    #[inline]
    pub fn u64s(&mut self, to: &mut [u64]) {
        let (mine, rest) = self.words.split_at(to.len());
        to.copy_from_slice(mine);
        self.words = rest;
    }

    /// Words not read yet.
    pub fn rest(&self) -> &'a [u64] {
        self.words
    }
}
