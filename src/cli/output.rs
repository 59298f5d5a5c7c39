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

/// Characters of a message at most.
const MESSAGE_MAX: usize = 1_000;

/// A line on standard error; a reader that went away is told nothing. What the message repeats may be
/// anything, so control characters are not passed on to a terminal.
pub(super) fn complain(message: &str) {
    let line = crate::observe::log_message(message);
    let line = line.unwrap_or_else(|| format!("tidemill: {}", printable(message)));
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn printable(message: &str) -> String {
    let mut line: String = message
        .chars()
        .take(MESSAGE_MAX)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if message.chars().nth(MESSAGE_MAX).is_some() {
        line.push('…');
    }
    line
}

/// Prints one JSON document.
pub(super) fn print_json(document: &Value) -> Result<(), Failure> {
    print(&format!("{document:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_printable_line_of_bounded_length() {
        assert_eq!(printable("a\x1b[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(printable(&"x".repeat(5000)).chars().count(), MESSAGE_MAX + 1);
    }
}
