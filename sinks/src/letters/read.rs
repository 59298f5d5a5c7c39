//! Reading refused records back: how many for which reason, one of them, all of them.
//!
//! Letters are numbered from 1 in the order of the log; those that rotation dropped keep their numbers.

use super::file_name;
use crate::sql::csv_field;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Rotated files a reader looks for.
const FILES_MAX: usize = 1000;

/// Columns of an export, in order.
const COLUMNS: [&str; 11] = [
    "epoch",
    "partition",
    "source",
    "offset",
    "file",
    "row",
    "reason",
    "detail",
    "symbol",
    "ts_event",
    "raw",
];

/// Why refused records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// There is no store.
    #[error(
        "no store at {0}: run `tidemill replay` or `tidemill demo` first, or name its folder with --data"
    )]
    NoStore(PathBuf),
    /// No such number.
    #[error("no dead letter {given}: the store holds {first} to {last}")]
    Number {
        /// What was asked for.
        given: u64,
        /// The first one kept.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// There are none.
    #[error("the store holds no dead letters")]
    Empty,
    /// A file could not be read, or the answer not written.
    #[error("dead letters: {0}")]
    Io(#[from] io::Error),
}

/// Which letters are wanted; nothing means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A reason's code.
    pub reason: Option<String>,
    /// A symbol.
    pub symbol: Option<String>,
}

/// A letter as the file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Its number, from 1.
    pub number: u64,
    /// Its fields, as written.
    pub fields: Value,
}

impl Letter {
    /// A field as text; nothing where it is null.
    pub fn text(&self, field: &str) -> String {
        match self.fields.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// Every field with its name, in order.
    pub fn items(&self) -> Vec<(&'static str, String)> {
        COLUMNS.into_iter().map(|name| (name, self.text(name))).collect()
    }

    fn passes(&self, filter: &Filter) -> bool {
        let is = |wanted: &Option<String>, field| {
            wanted.as_ref().is_none_or(|wanted| self.text(field) == *wanted)
        };
        is(&filter.reason, "reason") && is(&filter.symbol, "symbol")
    }
}

/// Counts of what the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Letters by reason, source and symbol.
    pub counts: BTreeMap<(String, String, String), u64>,
    /// Letters kept that pass the filter.
    pub kept: u64,
    /// Letters that rotation dropped, whatever the filter.
    pub dropped: u64,
}

/// The refused records of a store.
pub struct Letters {
    folder: PathBuf,
    dropped: u64,
}

impl Letters {
    /// Looks into the store at `folder`.
    ///
    /// # Errors
    /// Fails when there is no store.
    pub fn open(folder: &Path) -> Result<Self, LetterError> {
        if !folder.join(crate::store::STORE_FILE).is_file() {
            return Err(LetterError::NoStore(folder.to_owned()));
        }
        let marks = folder.join(crate::store::MARKS_FOLDER).join("dead_letters.json");
        let state: Option<Value> =
            std::fs::read(marks).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let dropped = state.as_ref().and_then(|state| state.get("dropped")).and_then(Value::as_u64);
        Ok(Letters { folder: folder.to_owned(), dropped: dropped.unwrap_or(0) })
    }

    /// Calls `each` with every letter that passes, oldest first, until it says false.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    pub fn each(
        &self,
        filter: &Filter,
        mut each: impl FnMut(&Letter) -> io::Result<bool>,
    ) -> Result<(), LetterError> {
        let path = |at| self.folder.join(file_name(at));
        let files = (0..FILES_MAX).take_while(|&at| path(at).exists()).count();
        let mut number = self.dropped;
        for at in (0..files).rev() {
            let mut lines = BufReader::new(File::open(path(at))?);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line)? > 0 {
                // A line without an end is still being written.
                if line.last() == Some(&b'\n') {
                    number += 1;
                    let fields = serde_json::from_slice(&line).unwrap_or(Value::Null);
                    let letter = Letter { number, fields };
                    if letter.passes(filter) && !each(&letter)? {
                        return Ok(());
                    }
                }
                line.clear();
            }
        }
        Ok(())
    }

    /// How many there are by reason, source and symbol.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<Summary, LetterError> {
        let mut summary = Summary { dropped: self.dropped, ..Summary::default() };
        self.each(filter, |letter| {
            let key = (letter.text("reason"), letter.text("source"), letter.text("symbol"));
            *summary.counts.entry(key).or_default() += 1;
            summary.kept += 1;
            Ok(true)
        })?;
        Ok(summary)
    }

    /// Letter number `given`.
    ///
    /// # Errors
    /// Fails when there is none of that number.
    pub fn show(&self, given: u64) -> Result<Letter, LetterError> {
        let (mut found, mut last) = (None, self.dropped);
        self.each(&Filter::default(), |letter| {
            last = letter.number;
            if letter.number == given {
                found = Some(letter.clone());
            }
            Ok(found.is_none())
        })?;
        match found {
            Some(letter) => Ok(letter),
            None if last == self.dropped => Err(LetterError::Empty),
            None => Err(LetterError::Number { given, first: self.dropped + 1, last }),
        }
    }

    /// Writes every letter that passes as CSV with a header; how many there were.
    ///
    /// # Errors
    /// Fails when a file cannot be read or `out` not written.
    pub fn export_csv(&self, filter: &Filter, out: &mut dyn Write) -> Result<u64, LetterError> {
        writeln!(out, "number,{}", COLUMNS.join(","))?;
        let mut count = 0;
        self.each(filter, |letter| {
            count += 1;
            let fields = letter.items().into_iter().map(|(_, text)| csv_field(&text));
            writeln!(out, "{},{}", letter.number, fields.collect::<Vec<_>>().join(","))?;
            Ok(true)
        })?;
        Ok(count)
    }

    /// Writes every letter that passes as an array of JSON objects; how many there were.
    ///
    /// # Errors
    /// Fails when a file cannot be read or `out` not written.
    pub fn export_json(&self, filter: &Filter, out: &mut dyn Write) -> Result<u64, LetterError> {
        write!(out, "[")?;
        let mut count = 0;
        self.each(filter, |letter| {
            write!(out, "{}\n  {}", if count == 0 { "" } else { "," }, letter.fields)?;
            count += 1;
            Ok(true)
        })?;
        writeln!(out, "{}]", if count == 0 { "" } else { "\n" })?;
        Ok(count)
    }
}
