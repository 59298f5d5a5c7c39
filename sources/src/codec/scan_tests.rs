//! The scanner judges as the common library does, and finds what is wanted.

use super::scan::*;
use proptest::prelude::*;

fn scan(text: &[u8], paths: &[&str]) -> Result<Vec<String>, Broken> {
    let mut names = Names::default();
    paths.iter().enumerate().for_each(|(column, path)| names.want(path, column));
    let mut cells = vec![Cell::default(); paths.len()];
    let mut scan = Scan::new(text, 0);
    match scan.next() {
        b'{' => scan.object(&names, 1, &mut cells, &mut Found::default())?,
        _ => scan.skip(0).map(drop)?,
    }
    if !scan.is_at_end() {
        return Err(scan.broken("the end"));
    }
    let shown = |cell: &Cell| &text[cell.start as usize..cell.end as usize];
    Ok(cells.iter().map(|cell| String::from_utf8_lossy(shown(cell)).into_owned()).collect())
}

#[test]
fn wanted_values_are_found_wherever_they_stand() {
    let text = br#" {"x":[1,{"a":2}],"data":{"q":"3","p":-4.5e1,"z":null},"a":"\"7","b" : true} "#;
    let found = scan(text, &["a", "data.p", "data.q", "data.z", "b", "none"]).unwrap();
    assert_eq!(found, ["\\\"7", "-4.5e1", "3", "", "true", ""]);
    assert_eq!(scan(br#"{"a":1,"a":2}"#, &["a"]).unwrap(), ["2"]);
    assert_eq!(scan(br#"{"\u0061":1}"#, &["a"]).unwrap(), ["1"]);
}

/// What is JSON and what is not is what the common library says; but deeper nesting, bad pairs of
/// surrogates in names or texts, and numbers beyond a double are no matter of grammar.
fn agrees(text: &[u8]) {
    let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    assert_eq!(scan(text, &["a", "b.c"]).is_ok(), theirs, "{}", String::from_utf8_lossy(text));
}

#[test]
fn odd_texts_are_judged_as_the_common_library_does() {
    for text in [
        "",
        " ",
        "1",
        "-",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-0",
        "-0.0e-0",
        "nul",
        "null",
        "truex",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\t\"",
        "[[]",
        "{\"b\":{\"c\":[{}]}}",
        "{\"b\":{\"c\":1}",
        "[] []",
        "{}\n",
        "\"a",
        "+1",
        "NaN",
        "1 2",
        "{\"a\":tru}",
    ] {
        agrees(text.as_bytes());
    }
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(scan(deep(128).as_bytes(), &[]).is_ok());
    assert_eq!(scan(deep(129).as_bytes(), &[]).unwrap_err().at, 128);
}

proptest! {
    /// Long texts and numbers, of which eight bytes are looked at together.
    #[test]
    fn long_texts_are_judged_as_the_common_library_does(
        text in "[a-z\u{1}\t\\\\n\"\u{e9}]{0,40}", number in "[0-9]{1,30}[0-9.:/e]{0,9}"
    ) {
        agrees(format!("{{\"a\":\"{text}\",\"b\":{number}}}").as_bytes());
    }

    #[test]
    fn any_text_is_judged_as_the_common_library_does(text in "[{}\\[\\]\":,abc\\\\untrue0-9.eE+ -]{0,24}") {
        agrees(text.as_bytes());
    }
}
