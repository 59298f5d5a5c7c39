//! A strict scanner of JSON that copies nothing: it says where the values of wanted names stand.
//!
//! What is not wanted is skipped, and yet must be well-formed. Bytes are UTF-8, as who calls has checked.

/// How deep values may stand in each other.
const DEPTH_MAX: usize = 128;

/// Names of an object that are wanted, with those of objects within it.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<Name>);

#[derive(Clone, Debug)]
struct Name {
    text: String,
    column: Option<usize>,
    inner: Names,
}

impl Names {
    /// Wants the value at `path`, its names separated by points, as `column`.
    pub(super) fn want(&mut self, path: &str, column: usize) {
        let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let at = self.0.iter().position(|name| name.text == first).unwrap_or_else(|| {
            self.0.push(Name { text: first.to_owned(), column: None, inner: Names::default() });
            self.0.len() - 1
        });
        match rest {
            Some(rest) => self.0[at].inner.want(rest, column),
            None => self.0[at].column = Some(column),
        }
    }

    /// The name, looked for first behind the one found last: objects of one feed have one order.
    #[inline]
    fn find(&self, key: &[u8], hint: &mut usize) -> Option<&Name> {
        if let Some(name) = self.0.get(*hint).filter(|name| name.text.as_bytes() == key) {
            *hint += 1;
            return Some(name);
        }
        let at = self.0.iter().position(|name| name.text.as_bytes() == key)?;
        *hint = at + 1;
        Some(&self.0[at])
    }
}

/// Where a value stands; empty when there is none, or `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Between its quotes.
    Text,
    /// Text with a backslash in it.
    Escaped,
    /// A number, `true` or `false`.
    Plain,
    Null,
    Nested,
}

/// What a row of cells was found to be beside its cells.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Columns whose value is an object or a list.
    pub(super) nested: Vec<usize>,
    /// Columns whose text has escapes.
    pub(super) escaped: Vec<usize>,
}

/// Why bytes are no JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) wanted: &'static str,
}

pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Scan { bytes, at }
    }

    /// The next byte; zero behind the end, which no JSON has.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// The next byte that is no space.
    #[inline(always)]
    pub(super) fn next(&mut self) -> u8 {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return byte,
            }
        }
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.next();
        self.at >= self.bytes.len()
    }

    pub(super) fn broken(&self, wanted: &'static str) -> Broken {
        Broken { at: self.at, wanted }
    }

    /// Takes an object, from its brace on, and puts what is wanted of it into `cells`.
    pub(super) fn object(
        &mut self,
        names: &Names,
        depth: usize,
        cells: &mut [Cell],
        found: &mut Found,
    ) -> Result<(), Broken> {
        self.at += 1;
        if self.next() == b'}' {
            self.at += 1;
            return Ok(());
        }
        let mut hint = 0;
        loop {
            let key = self.key()?;
            let name = match key {
                Key::Plain(text) => names.find(text, &mut hint),
                Key::Escaped(text) => names.find(text.as_bytes(), &mut hint),
            };
            match name {
                None => self.skip(depth).map(drop)?,
                Some(name) => self.wanted(name, depth, cells, found)?,
            }
            match self.next() {
                b',' => self.at += 1,
                b'}' => break self.at += 1,
                _ => return Err(self.broken("a comma or the end of an object")),
            }
        }
        Ok(())
    }

    #[inline]
    fn wanted(
        &mut self,
        name: &Name,
        depth: usize,
        cells: &mut [Cell],
        found: &mut Found,
    ) -> Result<(), Broken> {
        if self.peek() == b'{' && !name.inner.0.is_empty() {
            self.deeper(depth)?;
            return self.object(&name.inner, depth + 1, cells, found);
        }
        let start = self.at;
        let kind = self.skip(depth)?;
        let Some(column) = name.column else { return Ok(()) };
        let (from, to) = match kind {
            Kind::Text | Kind::Escaped => (start + 1, self.at - 1),
            Kind::Null => (0, 0),
            Kind::Plain | Kind::Nested => (start, self.at),
        };
        // Whoever calls bounds a buffer to less than 2^32 bytes.
        cells[column] = Cell { start: from as u32, end: to as u32 };
        match kind {
            Kind::Escaped => found.escaped.push(column),
            Kind::Nested => found.nested.push(column),
            _ => {}
        }
        Ok(())
    }

    /// A key and the colon behind it, up to its value.
    #[inline]
    fn key(&mut self) -> Result<Key<'a>, Broken> {
        if self.next() != b'"' {
            return Err(self.broken("a name in quotes"));
        }
        let start = self.at + 1;
        let escaped = self.text()?;
        let key = match escaped {
            false => Key::Plain(&self.bytes[start..self.at - 1]),
            true => Key::Escaped(unescaped(&self.bytes[start..self.at - 1]).unwrap_or_default()),
        };
        if self.next() != b':' {
            return Err(self.broken("a colon"));
        }
        self.at += 1;
        self.next();
        Ok(key)
    }

    /// Any value.
    #[inline]
    pub(super) fn skip(&mut self, depth: usize) -> Result<Kind, Broken> {
        match self.peek() {
            b'"' => Ok(if self.text()? { Kind::Escaped } else { Kind::Text }),
            b'-' | b'0'..=b'9' => self.number().map(|()| Kind::Plain),
            b'{' | b'[' => self.nested(depth).map(|()| Kind::Nested),
            b't' => self.word(b"true", Kind::Plain),
            b'f' => self.word(b"false", Kind::Plain),
            b'n' => self.word(b"null", Kind::Null),
            _ => Err(self.broken("a value")),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Broken> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.broken("a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn deeper(&self, depth: usize) -> Result<(), Broken> {
        if depth >= DEPTH_MAX {
            return Err(self.broken("at most 128 levels of nesting"));
        }
        Ok(())
    }

    #[cold]
    fn nested(&mut self, depth: usize) -> Result<(), Broken> {
        self.deeper(depth)?;
        let is_object = self.peek() == b'{';
        let close = if is_object { b'}' } else { b']' };
        self.at += 1;
        if self.next() == close {
            self.at += 1;
            return Ok(());
        }
        loop {
            if is_object {
                self.key()?;
            }
            self.next();
            self.skip(depth + 1)?;
            match self.next() {
                b',' => self.at += 1,
                byte if byte == close => break self.at += 1,
                _ => return Err(self.broken("a comma or the end of an object or list")),
            }
        }
        Ok(())
    }

    /// A string, from its quote to behind the other; whether there is a backslash in it.
    #[inline]
    fn text(&mut self) -> Result<bool, Broken> {
        let mut escaped = false;
        self.at += 1;
        loop {
            // Eight bytes at a time as long as none of them ends the text or begins an escape.
            while let Some(word) = self.word_ahead() {
                let found =
                    zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c)) | below_space(word);
                self.at += (found.trailing_zeros() / 8) as usize;
                if found != 0 {
                    break;
                }
            }
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                0..0x20 => return Err(self.broken("the closing quote of a text")),
                _ => self.at += 1,
            }
        }
    }

    #[inline(always)]
    fn word_ahead(&self) -> Option<u64> {
        let bytes = self.bytes.get(self.at..self.at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    #[cold]
    fn escape(&mut self) -> Result<(), Broken> {
        self.at += 1;
        let digits = match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
            b'u' => 4,
            _ => return Err(self.broken("an escape that JSON has")),
        };
        self.at += 1;
        for _ in 0..digits {
            if !self.peek().is_ascii_hexdigit() {
                return Err(self.broken("four hexadecimal digits"));
            }
            self.at += 1;
        }
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Result<(), Broken> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Broken> {
        if !self.peek().is_ascii_digit() {
            return Err(self.broken("a digit"));
        }
        while self.word_ahead().is_some_and(is_digits) {
            self.at += 8;
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The top bit of each byte that is zero; the lowest one set is right, those above may be too many.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The same of each byte below a space.
#[inline(always)]
fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS
}

#[inline(always)]
fn is_digits(word: u64) -> bool {
    let digits = word ^ (ONES * 0x30);
    (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS == 0
}

enum Key<'a> {
    Plain(&'a [u8]),
    Escaped(String),
}

/// The text that stands between quotes with escapes; nothing when half a surrogate pair is among them.
#[cold]
pub(super) fn unescaped(text: &[u8]) -> Option<String> {
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}
