//! Indicators by name: text in, [`Spec`] out.
//!
//! An indicator of one's own is one line more:
//!
//! ```
//! # use operators::indicator::{Definition, Indicator, Registry, Spec};
//! # use market::Bar;
//! struct Range(f64);
//! impl Indicator for Range {
//!     fn words(&self) -> usize {
//!         0
//!     }
//!     fn update(&self, _state: &mut [u64], bar: &Bar, output: &mut [f64]) {
//!         output[0] = (bar.high.raw() as f64 - bar.low.raw() as f64) / self.0;
//!     }
//! }
//! let mut registry = Registry::standard();
//! registry.register(Definition::named("range"), |arguments| {
//!     Ok(Spec::new(arguments, &["range"], |scales| Range(scales.price.unit() as f64)))
//! });
//! assert_eq!(registry.parse("range").unwrap().outputs(), ["range"]);
//! ```

use super::error::nearest;
use super::{Arguments, Spec, SpecError, standard};
use std::sync::Arc;

/// Indicators that a list may hold.
pub const SPECS_MAX: usize = 256;

/// What the documentation says of an indicator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its name, lower case.
    pub name: &'static str,
    /// Rises when the same bars give other values than before, or its state is other words.
    pub version: u32,
    /// How it is written, defaults included.
    pub written: &'static str,
    /// Its formula.
    pub formula: &'static str,
    /// The bar of its first value, from 0.
    pub warm_up: &'static str,
    /// Time of a step and words of state.
    pub cost: &'static str,
}

impl Definition {
    /// A name without documentation.
    pub const fn named(name: &'static str) -> Self {
        Definition { name, version: 1, written: name, formula: "", warm_up: "", cost: "" }
    }
}

type Factory = dyn Fn(&mut Arguments) -> Result<Spec, SpecError> + Send + Sync;

/// The indicators that can be configured, in the order they were registered.
#[derive(Clone, Default)]
pub struct Registry {
    entries: Vec<(Definition, Arc<Factory>)>,
}

impl Registry {
    /// The indicators of this crate.
    pub fn standard() -> Self {
        let mut registry = Registry::default();
        standard::register(&mut registry);
        registry
    }

    /// Adds an indicator, or replaces the one of that name.
    pub fn register<F>(&mut self, definition: Definition, factory: F)
    where
        F: Fn(&mut Arguments) -> Result<Spec, SpecError> + Send + Sync + 'static,
    {
        self.entries.retain(|(known, _)| known.name != definition.name);
        self.entries.push((definition, Arc::new(factory)));
    }

    /// What is known of each, in order.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.entries.iter().map(|(definition, _)| definition)
    }

    /// Parses one indicator: `sma(20)`, `ema(20, of=volume)`, `obv`.
    ///
    /// # Errors
    /// Names what was wrong and what was wanted.
    pub fn parse(&self, text: &str) -> Result<Spec, SpecError> {
        let mut arguments = Arguments::parse(text)?;
        let found = self.entries.iter().find(|(known, _)| known.name == arguments.indicator());
        let Some((definition, factory)) = found else {
            return Err(self.unknown(arguments.indicator()));
        };
        let spec = factory(&mut arguments)?;
        arguments.finish()?;
        Ok(spec.of_version(definition.version))
    }

    /// Parses a list, `sma(20), ema(12), macd(12,26,9)`, in its order.
    ///
    /// # Errors
    /// As [`Registry::parse`] and [`Registry::parse_all`].
    pub fn parse_list(&self, text: &str) -> Result<Vec<Spec>, SpecError> {
        self.parse_all(&split_list(text))
    }

    /// Parses each text, in order.
    ///
    /// # Errors
    /// As [`Registry::parse`]; and refuses two that write the same column, and more than [`SPECS_MAX`].
    pub fn parse_all<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Spec>, SpecError> {
        if texts.len() > SPECS_MAX {
            return Err(SpecError::TooMany { given: texts.len(), max: SPECS_MAX });
        }
        let mut columns = std::collections::BTreeSet::new();
        let mut specs = Vec::with_capacity(texts.len());
        for text in texts {
            let spec = self.parse(text.as_ref())?;
            if !spec.outputs().iter().all(|column| columns.insert(column.clone())) {
                return Err(SpecError::Repeated(spec.to_string()));
            }
            specs.push(spec);
        }
        Ok(specs)
    }

    fn unknown(&self, given: &str) -> SpecError {
        let names: Vec<_> = self.definitions().map(|known| known.name).collect();
        let hint = match nearest(given, names.iter().copied()) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("there are {}", names.join(", ")),
        };
        SpecError::Unknown { given: given.to_owned(), hint }
    }
}

/// Splits at commas outside parentheses.
fn split_list(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(outside).map(str::trim).filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
