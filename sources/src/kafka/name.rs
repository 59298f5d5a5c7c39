//! How a source names topics: one by its name, or all that a pattern matches.

use regex_automata::meta::Regex;
use std::fmt;

/// The name of a topic, or a pattern that begins with `^`: compiled once, where it is read.
#[derive(Clone, Debug)]
pub struct TopicName {
    text: String,
    pattern: Option<Regex>,
}

impl TopicName {
    /// From what was given.
    ///
    /// # Errors
    /// Says what is wrong with a pattern.
    pub fn parse(given: &str) -> Result<Self, String> {
        let pattern = given.starts_with('^').then(|| compile(given)).transpose()?;
        Ok(TopicName { text: given.to_owned(), pattern })
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is a pattern.
    pub fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// Whether it is the name of a topic, or matches that.
    pub fn matches(&self, topic: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.is_match(topic),
            None => self.text == topic,
        }
    }
}

impl PartialEq for TopicName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn compile(given: &str) -> Result<Regex, String> {
    Regex::new(given).map_err(|error| {
        // What it calls itself says only that it is none; what it comes from draws a picture of several lines first.
        let why = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        why.rsplit("error: ").next().unwrap_or_default().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_told_by_how_it_begins() {
        let [name, pattern] = ["t.1", "^t.1"].map(|text| TopicName::parse(text).unwrap());
        assert!(name.matches("t.1") && !name.matches("t11") && !name.is_pattern());
        assert!(pattern.matches("t.1") && pattern.matches("t11x") && !pattern.matches("xt.1"));
        assert_eq!([name.to_string(), pattern.to_string()], ["t.1", "^t.1"]);
        assert_eq!(TopicName::parse("^a(").unwrap_err(), "unclosed group");
    }
}
