//! How the columns of a file become trades: `--columns`, `--where`, `--no-header`, `--delimiter`,
//! `--comment`, read once into a checked form and then bound to the columns that a file has.

mod bind;
mod exclusion;
mod expression;
mod filter;
mod moment;
mod scanner;

pub(crate) use bind::Bound;
pub use exclusion::{EXCLUDED_IDS_MAX, Exclusion, ExclusionError};
pub(crate) use expression::{Expressions, Factor, Moment, Number, Part, Text};
pub(crate) use filter::{Condition, Filter};
pub(crate) use moment::{Clock, DayCache, MomentError};

use crate::Tape;

/// What the columns, the condition and the tape are called in errors: they stand in flags, or under keys of a
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutNames {
    /// Of the columns.
    pub columns: String,
    /// Of the condition.
    pub filter: String,
    /// Of the tape.
    pub tape: String,
}

impl Default for LayoutNames {
    fn default() -> Self {
        let [columns, filter, tape] = ["--columns", "--where", "--conditions"].map(str::to_owned);
        LayoutNames { columns, filter, tape }
    }
}

/// How a file is laid out, as given: the flags of the command or the keys of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutOptions {
    /// `--columns`: which column, and made into what, is each field of a trade.
    pub columns: Option<String>,
    /// `--where`: which rows are records.
    pub filter: Option<String>,
    /// Whether the first line names the columns; without one they are `c1, c2, ...`.
    pub header: bool,
    /// `--delimiter` of a text file: one ASCII character, a comma by default, `\t` for a tab.
    pub delimiter: Option<String>,
    /// `--comment`: lines of a text file that begin with this ASCII character are skipped.
    pub comment: Option<String>,
    /// `--conditions`: the tape by whose rules sale conditions decide what a trade counts for; none: they are not
    /// looked at.
    pub tape: Option<Tape>,
    /// Where `columns`, `filter` and `tape` stand.
    pub names: LayoutNames,
}

impl Default for LayoutOptions {
    fn default() -> Self {
        LayoutOptions {
            columns: None,
            filter: None,
            header: true,
            delimiter: None,
            comment: None,
            tape: None,
            names: LayoutNames::default(),
        }
    }
}

/// Why a layout was refused. What was given is quoted with its control characters escaped, so that the
/// text is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The text of a flag or key does not parse.
    #[error("{place} = \"{}\": at \"{}\": {}", line(.given), line(.at), line(.wanted))]
    Syntax {
        /// The flag or key.
        place: String,
        /// The whole text.
        given: String,
        /// What stands where it went wrong.
        at: String,
        /// What was wanted there.
        wanted: String,
    },
    /// A flag that wants one ASCII character has something else.
    #[error(
        "{flag} \"{}\": wanted one ASCII character other than a quote or a line end", line(.given)
    )]
    Character {
        /// The flag.
        flag: &'static str,
        /// What was given.
        given: String,
    },
    /// A column is named that the file does not have.
    #[error(
        "{place}: no column \"{}\"{}; the file has {}",
        line(.given), nearest_text(.nearest), line(.columns)
    )]
    Unknown {
        /// The flag or key, or `input` for the default names.
        place: String,
        /// The name.
        given: String,
        /// The column that looks most like it.
        nearest: Option<String>,
        /// The columns, as a list.
        columns: String,
    },
    /// A column is named that the file has more than once.
    #[error("column \"{}\" is named more than once in the header", line(.0))]
    Twice(String),
}

impl LayoutError {
    /// What was wanted, without the place and the text that are at fault: for those who name both themselves.
    pub fn rule(&self) -> String {
        match self {
            LayoutError::Syntax { at, wanted, .. } => {
                format!("at \"{}\": {}", line(at), line(wanted))
            }
            other => other.to_string(),
        }
    }
}

fn nearest_text(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(", nearest is \"{}\"", line(name)))
}

/// A text on one line.
fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// A checked layout, not yet bound to the columns of a file.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(crate) fields: Expressions<String>,
    pub(crate) filter: Option<Filter<String>>,
    pub(crate) header: bool,
    pub(crate) delimiter: u8,
    pub(crate) comment: Option<u8>,
    pub(crate) tape: Option<Tape>,
    /// Whether any record may lack any field, as in messages.
    pub(crate) open: bool,
    /// Where columns, condition and tape were given.
    pub(crate) places: LayoutNames,
}

impl Layout {
    /// Checks what was given.
    ///
    /// # Errors
    /// Says which flag, what stands there and what was wanted.
    pub fn new(options: &LayoutOptions) -> Result<Self, LayoutError> {
        let fields = match &options.columns {
            Some(text) => expression::parse(&options.names.columns, text)?,
            None => Expressions::default(),
        };
        let filter = options.filter.as_deref();
        let filter = filter.map(|text| filter::parse(&options.names.filter, text)).transpose()?;
        let delimiter = options.delimiter.as_deref().map(|d| character("--delimiter", d));
        let comment = options.comment.as_deref().map(|c| character("--comment", c));
        Ok(Layout {
            fields,
            filter,
            header: options.header,
            delimiter: delimiter.transpose()?.unwrap_or(b','),
            comment: comment.transpose()?,
            tape: options.tape,
            open: false,
            places: options.names.clone(),
        })
    }
}

impl Default for Layout {
    fn default() -> Self {
        Layout {
            fields: Expressions::default(),
            filter: None,
            header: true,
            delimiter: b',',
            comment: None,
            tape: None,
            open: false,
            places: LayoutNames::default(),
        }
    }
}

fn character(flag: &'static str, given: &str) -> Result<u8, LayoutError> {
    match given.as_bytes() {
        [b'\\', b't'] => Ok(b'\t'),
        &[byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => Ok(byte),
        _ => Err(LayoutError::Character { flag, given: given.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(columns: &str, filter: &str) -> String {
        let options = LayoutOptions {
            columns: (!columns.is_empty()).then(|| columns.to_owned()),
            filter: (!filter.is_empty()).then(|| filter.to_owned()),
            ..LayoutOptions::default()
        };
        Layout::new(&options).expect_err("it was to be refused").to_string()
    }

    #[test]
    fn errors_name_the_flag_the_place_and_what_was_wanted() {
        assert_eq!(
            error("pric=px", ""),
            "--columns = \"pric=px\": at \"pric=px\": wanted a field of a trade (symbol, ts_event, \
             price, size, trade_id, side, venue, trans_type, conditions, ts_recv), nearest is \"price\""
        );
        assert!(error("price=px, price=py", "").contains("named once"));
        assert!(error("ts_event=t:fortnight", "").contains("s, ms, us, ns"));
        assert!(error("ts_event=a+b:\"%Y\":Mars/Olympus", "").contains("time zone"));
        assert!(error("price=px*x", "").contains("a decimal factor"));
        assert!(error("price=mid(a b)", "").contains("\",\""));
        assert!(error("symbol='x", "").contains("closing"));
        assert!(error("side=d{1:B", "").contains("}"));
        assert!(error("", "type in 4").contains("("));
        assert!(error("", "type ~ 4").contains("comparison"));
        assert!(error("", "type == 4 or x == 2").contains("and"));
    }

    #[test]
    fn one_ascii_character_is_a_delimiter() {
        let with = |d: &str| {
            let options =
                LayoutOptions { delimiter: Some(d.to_owned()), ..LayoutOptions::default() };
            Layout::new(&options).map(|layout| layout.delimiter)
        };
        assert_eq!(with(";"), Ok(b';'));
        assert_eq!(with("\\t"), Ok(b'\t'));
        assert!(with("").is_err() && with("ab").is_err() && with("\"").is_err());
    }
}
