//! Documents on standard output, in a way that a closed pipe does not break.

use super::Failure;
use serde_json::Value;
use std::io::{ErrorKind, Write};

/// Prints text; a reader that went away is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// A line on standard error; a reader that went away is told nothing.
pub(super) fn complain(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "tidemill: {message}");
}

/// Prints one JSON document.
pub(super) fn print_json(document: &Value) -> Result<(), Failure> {
    print(&format!("{document:#}\n"))
}
