//! `${NAME}` from the environment and `${file:PATH}` from a file, so that secrets stay out of the
//! configuration. What was put in is never shown: messages carry the text as it stands in the file.

use std::fs::File;
use std::io::Read;

/// Bytes a substituted file may have.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// `text` with its references replaced; nothing when it has none.
pub(crate) fn substitute(text: &str) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (reference, after) = after
            .split_once('}')
            .ok_or_else(|| "\"${\" without its \"}\": wanted ${NAME} or ${file:PATH}".to_owned())?;
        out.push_str(before);
        out.push_str(&look_up(reference)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn look_up(reference: &str) -> Result<String, String> {
    if let Some(path) = reference.strip_prefix("file:") {
        return read(path).map(|text| text.trim_end().to_owned());
    }
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if reference.is_empty() || !reference.chars().all(named) {
        return Err("wanted ${NAME} or ${file:PATH}".to_owned());
    }
    std::env::var(reference)
        .map_err(|_| format!("the environment has no text under the name {reference}"))
}

fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| format!("the file {path} cannot be read as text: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("the file {path} has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_or_named() {
        assert_eq!(substitute("plain $ { }"), Ok(None));
        assert!(substitute("a${PATH}b").unwrap().unwrap().len() > 2);
        for bad in ["${", "${}", "${A B}", "${NOT_SET_ANYWHERE_1}", "${file:/no/such/file}"] {
            assert!(substitute(bad).is_err(), "{bad}");
        }
    }
}
