//! The file of exclusions: records as `tidemill exclude` appends them, a line each.

use super::tree::{ConfigError, Tree};
use sources::Exclusion;
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

/// Bytes that the file may have.
const BYTES_MAX: u64 = 256 << 20;

/// What a file says; nothing where there is none yet.
pub(super) fn read(
    tree: &Tree,
    path: &str,
    file: Option<&str>,
) -> Result<Arc<[Arc<Exclusion>]>, ConfigError> {
    let Some(file) = file else { return Ok(Arc::default()) };
    let length = fs::metadata(file).map(|found| found.len());
    if length.is_ok_and(|length| length > BYTES_MAX) {
        return Err(tree.error(path, format!("a file of at most {BYTES_MAX} bytes is wanted")));
    }
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
        Err(error) => return Err(tree.error(path, format!("a file that can be read: {error}"))),
    };
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &dyn std::fmt::Display| {
            tree.error(path, format!("line {number} of {file}: {what}"))
        };
        let record = serde_json::from_str(line).map_err(|error| wrong(&error))?;
        match Exclusion::of_record(&record) {
            Ok(Some(exclusion)) => all.push(Arc::new(exclusion)),
            Ok(None) => return Err(wrong(&"an object {\"exclude\": ...} is wanted")),
            Err(error) => return Err(wrong(&error)),
        }
    }
    Ok(all.into())
}
