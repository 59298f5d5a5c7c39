//! Why the text of an indicator was refused.

/// Why the text of an indicator was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not of the form of an indicator.
    #[error("\"{0}\": an indicator is written name(parameter, ..., of=field)")]
    Malformed(String),
    /// No indicator has this name.
    #[error("\"{given}\": no such indicator; {hint}")]
    Unknown {
        /// The name given.
        given: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// A parameter is not what the indicator takes.
    #[error("{indicator}: {parameter} = \"{given}\": wanted {wanted}")]
    Parameter {
        /// The indicator.
        indicator: String,
        /// The parameter's name.
        parameter: String,
        /// The text given; empty for none.
        given: String,
        /// What would have been right.
        wanted: String,
    },
    /// There is an argument that the indicator does not take.
    #[error("{indicator}: \"{given}\" is one argument too many; it takes {wanted}")]
    Unused {
        /// The indicator.
        indicator: String,
        /// The argument.
        given: String,
        /// The arguments it takes.
        wanted: String,
    },
    /// Two indicators of a list write the same column.
    #[error("\"{0}\" is listed twice")]
    Repeated(String),
    /// A list is too long.
    #[error("{given} indicators: at most {max} can be computed side by side")]
    TooMany {
        /// How many were given.
        given: usize,
        /// The limit.
        max: usize,
    },
}

/// The name of `known` nearest to `given` by single-letter edits, if it is near at all.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = known.into_iter().map(|name| (edits(given, name), name)).min()?;
    (near.0 <= 1 + given.len() / 3).then_some(near.1)
}

/// Levenshtein's distance.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &b) in to.iter().enumerate() {
            let cost = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_near_and_noise_is_not() {
        assert_eq!(nearest("smaa", ["ema", "sma", "macd"]), Some("sma"));
        assert_eq!(nearest("bollinger", ["bb", "sma"]), None);
        assert_eq!(nearest("", []), None);
    }
}
