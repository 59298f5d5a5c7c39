//! `--where`: which rows of a file are records.
//!
//! Conditions joined by `and`: `type in (4, 5)`, `Last != ''`, `qty >= 100`. A bare literal that is a
//! number is compared as a number, exactly; a quoted one as text. A cell that is no number is neither
//! equal to one nor below or above it.

use super::LayoutError;
use super::scanner::Scanner;
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Below,
    BelowOrEqual,
    Above,
    AboveOrEqual,
    In,
}

/// Longest first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 7] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::BelowOrEqual),
    (">=", Operator::AboveOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Below),
    (">", Operator::Above),
];

#[derive(Clone, Debug)]
pub(super) enum Literal {
    Number(i128),
    Text(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Condition<C> {
    pub(crate) column: C,
    pub(super) operator: Operator,
    pub(super) literals: Vec<Literal>,
}

/// Conditions that all hold for a row that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Filter<C> {
    pub(crate) conditions: Vec<Condition<C>>,
}

impl<C> Condition<C> {
    pub(crate) fn with_column<D>(&self, column: D) -> Condition<D> {
        Condition { column, operator: self.operator, literals: self.literals.clone() }
    }

    /// Whether the condition holds for a cell.
    pub(crate) fn holds(&self, cell: &[u8]) -> bool {
        let found = |wanted: fn(Ordering) -> bool| {
            self.literals.iter().any(|literal| compare(cell, literal).is_some_and(wanted))
        };
        match self.operator {
            Operator::Equal | Operator::In => found(Ordering::is_eq),
            Operator::Unequal => !found(Ordering::is_eq),
            Operator::Below => found(Ordering::is_lt),
            Operator::BelowOrEqual => found(Ordering::is_le),
            Operator::Above => found(Ordering::is_gt),
            Operator::AboveOrEqual => found(Ordering::is_ge),
        }
    }
}

fn compare(cell: &[u8], literal: &Literal) -> Option<Ordering> {
    match literal {
        Literal::Text(text) => Some(cell.cmp(text.as_bytes())),
        Literal::Number(number) => exact(cell).map(|cell| cell.cmp(number)),
    }
}

/// A decimal number in units of 10^-18, unless it has more digits than 128 bits hold.
fn exact(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|&b| b == b'.').unwrap_or(digits.len());
    let fraction = digits.get(point + 1..).unwrap_or_default();
    if digits.len() - usize::from(point < digits.len()) == 0 {
        return None;
    }
    let mut value: i128 = 0;
    let padding = std::iter::repeat_n(&b'0', 18usize.saturating_sub(fraction.len()));
    for (at, byte) in digits[..point].iter().chain(fraction).chain(padding).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        // Zeros beyond the eighteenth decimal say nothing; other digits there have no exact value.
        if at >= point + 18 && digit == 0 {
            continue;
        }
        if digit > 9 || at >= point + 18 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    Some(if negative { -value } else { value })
}

/// Parses the text that stands in `place`.
pub(super) fn parse(place: &str, text: &str) -> Result<Filter<String>, LayoutError> {
    let mut scanner = Scanner::new(place, text);
    let mut conditions = Vec::new();
    loop {
        conditions.push(condition(&mut scanner)?);
        if scanner.is_at_end() {
            return Ok(Filter { conditions });
        }
        if !scanner.take_word("and") {
            return Err(scanner.error("wanted \"and\" or the end".to_owned()));
        }
    }
}

fn condition(scanner: &mut Scanner) -> Result<Condition<String>, LayoutError> {
    let column = name(scanner)?;
    if scanner.take_word("in") {
        scanner.expect("(")?;
        let mut literals = vec![literal(scanner)?];
        while scanner.take(",") {
            literals.push(literal(scanner)?);
        }
        scanner.expect(")")?;
        return Ok(Condition { column, operator: Operator::In, literals });
    }
    let Some(&(_, operator)) = OPERATORS.iter().find(|(sign, _)| scanner.take(sign)) else {
        let wanted = "wanted a comparison: =, ==, !=, <, <=, >, >= or in (...)";
        return Err(scanner.error(wanted.to_owned()));
    };
    Ok(Condition { column, operator, literals: vec![literal(scanner)?] })
}

/// A column's name: quoted, or up to an operator or the word `in`.
fn name(scanner: &mut Scanner) -> Result<String, LayoutError> {
    if let Some(name) = scanner.quoted('"')? {
        return Ok(name.to_owned());
    }
    scanner.skip_space();
    let rest = scanner.rest();
    let sign = rest.find(['=', '!', '<', '>', '~', '(']).unwrap_or(rest.len());
    let upto = rest[..sign].trim_end();
    // `type in (4)` ends before its last word, when that is "in".
    let name = match upto.strip_suffix("in").filter(|name| name.ends_with(char::is_whitespace)) {
        Some(name) if rest[sign..].starts_with('(') || sign == rest.len() => name.trim_end(),
        _ => word_before_in(upto).unwrap_or(upto),
    };
    if name.is_empty() {
        return Err(scanner.error("wanted the name of a column".to_owned()));
    }
    let taken = name.to_owned();
    scanner.take(&taken);
    Ok(taken)
}

/// `type` of `type in 4`, so that the error names the missing bracket and not the column.
fn word_before_in(text: &str) -> Option<&str> {
    text.find(" in ").map(|at| text[..at].trim_end())
}

fn literal(scanner: &mut Scanner) -> Result<Literal, LayoutError> {
    if let Some(text) = scanner.quoted('\'')? {
        return Ok(Literal::Text(text.to_owned()));
    }
    scanner.skip_space();
    let word = scanner.until(&[',', ')', ' ', '\t']);
    if word.is_empty() {
        return Err(scanner.error("wanted a number or text in single quotes".to_owned()));
    }
    Ok(exact(word.as_bytes()).map_or_else(|| Literal::Text(word.to_owned()), Literal::Number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, cell: &str, expected: bool) {
        let filter = parse("--where", filter).expect("it parses");
        let kept = filter.conditions.iter().all(|c| c.holds(cell.as_bytes()));
        assert_eq!(kept, expected, "{cell}");
    }

    #[test]
    fn numbers_compare_as_numbers_and_text_as_text() {
        check("x in (4, 5)", "4", true);
        check("x in (4,5)", "4.0", true);
        check("x in (4,5)", "6", false);
        check("x in (4,5)", "", false);
        check("x != ''", "", false);
        check("x != ''", "0", true);
        check("x == 'A'", "A", true);
        check("x = A", "A", true);
        check("x >= 10 and x < 10.5", "10.499999999999999999", true);
        check("x >= 10 and x < 10.5", "10.5", false);
        check("x > -1", "-0.5", true);
        check("x < 5", "text", false);
        check("x != 5", "text", true);
        check("x > 1399420802783000000", "1399420802783000001", true);
    }

    #[test]
    fn names_may_have_spaces() {
        let text = "Last volume in (1) and \"in, out\" != '' and a < 2";
        let filter = parse("--where", text).expect("parses");
        let names: Vec<_> = filter.conditions.iter().map(|c| c.column.as_str()).collect();
        assert_eq!(names, ["Last volume", "in, out", "a"]);
    }
}
