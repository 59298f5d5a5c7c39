//! Records as a dead letter shows them.

/// Bytes of a record that are shown.
const SHOWN_BYTES_MAX: usize = 4096;

/// Printable text of at most 4 KiB; what is not UTF-8 or is a control character as `\xNN`.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes[..bytes.len().min(SHOWN_BYTES_MAX)].utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\t' => text.push('\t'),
                letter if letter.is_control() => escape(&mut text, letter.to_string().as_bytes()),
                letter => text.push(letter),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    let mut end = text.len().min(SHOWN_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(super::printable(b"a,\xff\x00\xc3\xa9"), "a,\\xff\\x00\u{e9}");
        assert_eq!(super::printable(&[0xff; 9999]).len(), 4096);
    }
}
