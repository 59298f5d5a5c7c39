//! Where the fields and lines of a chunk end: one pass over its bytes, 64 at a time.
//!
//! Bytes are compared as vectors (which the compiler makes of the plain loops), and the matches of
//! eight become eight bits by one multiplication. `ends` holds the place of every delimiter and line
//! end, `lines` for each line the index into `ends` behind its last one. Between quotes a delimiter is
//! none; a line end always ends the record, so that a chunk can be read without those before it.

/// Bytes of a step.
const STEP: usize = 64;
/// Ends that are written at a time.
const AT_ONCE: usize = 12;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Places of delimiters and line ends; only the first `count` are meant.
    ends: Vec<u32>,
    count: usize,
    /// For every line, how many of `ends` are up to and with its end.
    pub(super) lines: Vec<u32>,
    /// Whether a quote stands anywhere.
    pub(super) quoted: bool,
}

impl Index {
    pub(super) fn ends(&self) -> &[u32] {
        &self.ends[..self.count]
    }

    /// Indexes `bytes[from..to]`, whose last byte is a line end.
    pub(super) fn fill(&mut self, bytes: &[u8], from: usize, to: usize, delimiter: u8) {
        self.clear();
        let mut quotes = false;
        let (steps, tail) = bytes[from..to].as_chunks::<STEP>();
        for (k, step) in steps.iter().enumerate() {
            quotes |= self.step(step, from + k * STEP, delimiter);
        }
        if !tail.is_empty() {
            let mut padded = [0; STEP];
            padded[..tail.len()].copy_from_slice(tail);
            quotes |= self.step(&padded, to - tail.len(), delimiter);
        }
        if quotes {
            self.fill_quoted(bytes, from, to, delimiter);
        }
    }

    fn clear(&mut self) {
        self.count = 0;
        self.lines.clear();
        self.quoted = false;
    }

    /// Returns whether there is a quote.
    #[inline(always)]
    fn step(&mut self, step: &[u8; STEP], at: usize, delimiter: u8) -> bool {
        if self.ends.len() < self.count + STEP + AT_ONCE {
            let wanted = (self.ends.len() * 2).max(1 << 12);
            self.ends.resize(wanted, 0);
        }
        let newlines = matches(step, |byte| byte == b'\n');
        let all = newlines | matches(step, |byte| byte == delimiter);
        let mut found = all;
        let quotes = step.iter().fold(false, |any, &byte| any | (byte == b'"'));
        let before = self.count;
        self.count += found.count_ones() as usize;
        let mut write = before;
        while found != 0 {
            // Twelve at once, whether or not there are as many: what is too much is written over, and
            // the branch is almost never taken twice.
            if let Some(some) = self.ends.get_mut(write..write + AT_ONCE) {
                for end in some {
                    *end = (at as u32).wrapping_add(found.trailing_zeros());
                    found &= found.wrapping_sub(1);
                }
            }
            write += AT_ONCE;
        }
        self.add_lines(newlines, all, before);
        quotes
    }

    #[inline(always)]
    fn add_lines(&mut self, mut newlines: u64, found: u64, before: usize) {
        while newlines != 0 {
            let upto = newlines ^ (newlines - 1);
            self.lines.push(before as u32 + (found & upto).count_ones());
            newlines &= newlines - 1;
        }
    }

    /// The same, byte by byte, for chunks with quotes.
    #[cold]
    fn fill_quoted(&mut self, bytes: &[u8], from: usize, to: usize, delimiter: u8) {
        self.clear();
        self.ends.clear();
        let mut inside = false;
        let mut field_starts = true;
        for (at, &byte) in bytes.iter().enumerate().take(to).skip(from) {
            let was_start = std::mem::take(&mut field_starts);
            if byte == b'\n' || (byte == delimiter && !inside) {
                self.ends.push(at as u32);
                field_starts = true;
                if byte == b'\n' {
                    inside = false;
                    self.lines.push(self.ends.len() as u32);
                }
            } else if byte == b'"' && (inside || was_start) {
                inside = !inside;
            }
        }
        self.count = self.ends.len();
        self.quoted = true;
    }
}

/// One bit for each byte that `is` true of, the first byte lowest.
#[inline(always)]
fn matches(step: &[u8; STEP], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0u8; STEP];
    for (flag, &byte) in flags.iter_mut().zip(step) {
        *flag = u8::from(is(byte));
    }
    let mut mask = 0;
    for (k, word) in flags.as_chunks::<8>().0.iter().enumerate() {
        let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * k);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fast_way_finds_what_the_plain_way_finds(text in "[ab,\n;\u{e9}]{0,400}") {
            let mut bytes = text.into_bytes();
            bytes.push(b'\n');
            let mut index = Index::default();
            index.fill(&bytes, 0, bytes.len(), b',');
            let (ends, lines) = (index.ends().to_vec(), index.lines.clone());
            index.fill_quoted(&bytes, 0, bytes.len(), b',');
            prop_assert_eq!(ends, index.ends());
            prop_assert_eq!(lines, index.lines);
        }
    }

    #[test]
    fn delimiters_between_quotes_are_text() {
        let bytes = b"a,\"b,\"\"c\",d\n\"x\ny,z\n";
        let mut index = Index::default();
        index.fill(bytes, 0, bytes.len(), b',');
        assert_eq!(index.ends(), [1, 9, 11, 14, 16, 18]);
        assert_eq!(index.lines, [3, 4, 6]);
    }
}
