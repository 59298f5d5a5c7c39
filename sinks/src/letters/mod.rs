//! Refused records in the store: `dead_letters.jsonl` and its rotated predecessors `.1`, `.2`, ...

mod file;
mod read;

pub use file::{LetterLimits, LetterSink};
pub use read::{Filter, Letter, LetterError, Letters, Summary};

/// The newest file; a rotated one has its number behind.
const FILE: &str = "dead_letters.jsonl";

/// The name of file number `number`, 0 being the newest.
fn file_name(number: usize) -> String {
    if number == 0 { FILE.to_owned() } else { format!("{FILE}.{number}") }
}
