//! A small scanner over the text of a flag or key, shared by `--columns` and `--where`.

use super::LayoutError;

pub(super) struct Scanner<'a> {
    /// The flag or key that the text is of.
    place: &'a str,
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(place: &'a str, text: &'a str) -> Self {
        Scanner { place, text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `token` when it comes next, spaces before it skipped.
    pub(super) fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), LayoutError> {
        if self.take(token) {
            return Ok(());
        }
        Err(self.error(format!("wanted \"{token}\"")))
    }

    /// Takes a keyword that is not the beginning of a longer word.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let Some(rest) = self.rest().strip_prefix(word) else { return false };
        let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if ends {
            self.at += word.len();
        }
        ends
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.rest().is_empty()
    }

    /// Text up to one of `stops`, trimmed; may be empty.
    pub(super) fn until(&mut self, stops: &[char]) -> &'a str {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(stops).unwrap_or(rest.len());
        self.at += end;
        rest[..end].trim()
    }

    /// Text in `quote`s when it comes next.
    pub(super) fn quoted(&mut self, quote: char) -> Result<Option<&'a str>, LayoutError> {
        self.skip_space();
        let rest = self.rest();
        let Some(inner) = rest.strip_prefix(quote) else { return Ok(None) };
        let Some(end) = inner.find(quote) else {
            return Err(self.error(format!("wanted a closing {quote}")));
        };
        self.at += end + 2;
        Ok(Some(&inner[..end]))
    }

    pub(super) fn error(&self, wanted: String) -> LayoutError {
        let rest = self.rest();
        let at = if rest.is_empty() { "the end" } else { rest };
        LayoutError::Syntax {
            place: self.place.to_owned(),
            given: self.text.to_owned(),
            at: at.to_owned(),
            wanted,
        }
    }
}
