//! Sale conditions: which values of a bar a trade counts for, by the rules of a consolidated tape.
//!
//! A trade has any number of codes, one character each, and counts for what all of its codes count for; without
//! a code it counts for everything, and so it does by a code that the tape's table lacks: a code that is new must
//! not silently take trades out of the bars. A text is the codes in any order, whatever stands between them (`@ F I`,
//! `@FI`), or a list of such texts as JSON writes it (`["@","F"]`). Two digits in a row are refused: hardly ever
//! has a trade two codes that are digits, and mostly they are the number that a vendor gave a condition.
//!
//! Reading a text costs a look at a table of 256 entries for each of its bytes, less than a cache would.

mod tables;

use market::Updates;

/// What each byte counts for as a code.
type Table = [Updates; 256];

static CTA: Table = table(tables::CTA);
static UTP: Table = table(tables::UTP);

/// Whose rules are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tape {
    /// Tapes A and B: what NYSE and the regional exchanges list.
    Cta,
    /// Tape C: what Nasdaq lists.
    Utp,
}

impl Tape {
    /// Rises when a table changes, and with it the bars of the same trades.
    pub const VERSION: u32 = 1;

    /// As the configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Tape::Cta => "cta",
            Tape::Utp => "utp",
        }
    }

    /// What a trade with the conditions of `text` counts for; nothing where these are no codes of a tape.
    #[inline]
    pub(crate) fn updates(self, text: &[u8]) -> Option<Updates> {
        let table = match self {
            Tape::Cta => &CTA,
            Tape::Utp => &UTP,
        };
        match text.first() {
            Some(b'[') => list(table, text),
            _ => codes(table, text),
        }
    }
}

/// A byte that is no code counts for everything.
const fn table(codes: &[(u8, Updates)]) -> Table {
    let mut table = [Updates::ALL; 256];
    let mut at = 0;
    while at < codes.len() {
        table[codes[at].0 as usize] = codes[at].1;
        at += 1;
    }
    table
}

#[inline]
fn codes(table: &Table, text: &[u8]) -> Option<Updates> {
    let (mut updates, mut after_digit) = (Updates::ALL, false);
    for &byte in text {
        if after_digit && byte.is_ascii_digit() {
            return None;
        }
        after_digit = byte.is_ascii_digit();
        updates = updates.and(table[usize::from(byte)]);
    }
    Some(updates)
}

/// A list of texts in JSON.
fn list(table: &Table, text: &[u8]) -> Option<Updates> {
    if memchr::memchr(b'\\', text).is_some() {
        return escaped(table, text);
    }
    let mut rest = text.strip_prefix(b"[")?.trim_ascii_end().strip_suffix(b"]")?.trim_ascii();
    let mut updates = Updates::ALL;
    while !rest.is_empty() {
        let quoted = rest.strip_prefix(b"\"")?;
        let end = quoted.iter().position(|&byte| byte == b'"')?;
        updates = updates.and(codes(table, &quoted[..end])?);
        rest = quoted[end + 1..].trim_ascii_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(b",")?.trim_ascii_start();
            // A comma has a text behind it.
            rest.first()?;
        }
    }
    Some(updates)
}

/// The same, where characters are written as escapes.
#[cold]
fn escaped(table: &Table, text: &[u8]) -> Option<Updates> {
    let texts: Vec<String> = serde_json::from_slice(text).ok()?;
    texts.iter().try_fold(Updates::ALL, |all, text| Some(all.and(codes(table, text.as_bytes())?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VOLUME: Updates = Updates::VOLUME;

    #[track_caller]
    fn check(text: &str, cta: impl Into<Option<Updates>>, utp: impl Into<Option<Updates>>) {
        assert_eq!(Tape::Cta.updates(text.as_bytes()), cta.into(), "{text} on tapes A and B");
        assert_eq!(Tape::Utp.updates(text.as_bytes()), utp.into(), "{text} on tape C");
    }

    #[test]
    fn a_trade_counts_for_what_all_its_codes_count_for() {
        let all = Updates::ALL;
        let unsequenced = Updates::HIGH_LOW.or(VOLUME);
        for text in ["", " ", "@", "@ F", "@F  ", "[]", "[ ]", "[\"@\", \"F\"]", "@ 6 X"] {
            check(text, all, all);
        }
        check("@ F I", VOLUME, VOLUME);
        check("@FI", VOLUME, VOLUME);
        check("[\"@\",\"F\",\"I\"]", VOLUME, VOLUME);
        check("[\"@FI\"]", VOLUME, VOLUME);
        check(r#"["\u0040","\u0049"]"#, VOLUME, VOLUME);
        check("@ Z", unsequenced, unsequenced);
        check("@ 4", unsequenced, unsequenced);
        check("@ZI", VOLUME, VOLUME);
        check("@ M", Updates::NONE, Updates::NONE);
        check("@9", Updates::LAST.or(Updates::HIGH_LOW), Updates::LAST.or(Updates::HIGH_LOW));
        // Each tape has rules and codes of its own.
        check("R", VOLUME, unsequenced);
        check("B", VOLUME, all);
        check("W", all, VOLUME);
        check("G", all, unsequenced);
        // What nobody knows counts.
        check("?", all, all);
        check("\u{e9} I", VOLUME, VOLUME);
    }

    #[test]
    fn what_is_no_list_of_texts_and_numbers_of_a_vendor_are_refused() {
        for text in ["[1]", "[", "[\"@\"", "[\"@\" \"F\"]", "[\"@\",]", "[null]", "[[\"@\"]]"] {
            check(text, None, None);
        }
        for text in ["12", "14,41", "[\"37\"]", r#"["\u0033\u0037"]"#] {
            check(text, None, None);
        }
    }

    proptest! {
        /// However codes are written, they say the same.
        #[test]
        fn forms_agree(codes in proptest::collection::vec("[@A-Z4-9]", 0..5)) {
            let (spaced, listed) = (codes.join(" "), serde_json::to_string(&codes).unwrap());
            for tape in [Tape::Cta, Tape::Utp] {
                let each = codes.iter().map(|code| tape.updates(code.as_bytes()).unwrap());
                let all = Some(each.fold(Updates::ALL, Updates::and));
                prop_assert_eq!(tape.updates(spaced.as_bytes()), all);
                prop_assert_eq!(tape.updates(listed.as_bytes()), all);
            }
        }

        /// A list is one exactly where JSON says so.
        #[test]
        fn a_list_is_what_json_takes_for_one(text in r#"\[[ ,@I"\\n\]]{0,12}\]?"#) {
            let is_list = serde_json::from_str::<Vec<String>>(&text).is_ok();
            prop_assert_eq!(Tape::Cta.updates(text.as_bytes()).is_some(), is_list, "{}", text);
        }
    }
}
