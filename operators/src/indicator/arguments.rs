//! The arguments of an indicator's text, taken one by one and checked as they are taken.
//!
//! `ema(20, of=volume)`: arguments go by position or by name, in the order that the indicator takes
//! them; what it omits has a default. Each one taken is noted in its canonical form, from which the
//! canonical text and the names of the columns are made.

use super::error::nearest;
use super::{Field, Period, SpecError};

/// Bytes that an indicator's text may have.
const TEXT_BYTES_MAX: usize = 256;

/// The arguments of one indicator.
#[derive(Clone, Debug)]
pub struct Arguments {
    indicator: String,
    /// Name, if given, and text; in the order given.
    given: Vec<(Option<String>, String)>,
    /// Names of what the indicator asked for.
    asked: Vec<&'static str>,
    /// Canonical text of what was taken.
    taken: Vec<String>,
    field: Option<Field>,
}

impl Arguments {
    /// Splits `name(a, b, key=c)`; names of indicators and keys count as lower case.
    pub(super) fn parse(text: &str) -> Result<Self, SpecError> {
        let malformed = || SpecError::Malformed(text.chars().take(TEXT_BYTES_MAX).collect());
        if text.len() > TEXT_BYTES_MAX {
            return Err(malformed());
        }
        let (name, list) = match text.trim().split_once('(') {
            None => (text.trim(), None),
            Some((name, rest)) => {
                (name.trim(), Some(rest.strip_suffix(')').ok_or_else(malformed)?))
            }
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(malformed());
        }
        let mut given = Vec::new();
        for item in
            list.filter(|list| !list.trim().is_empty()).into_iter().flat_map(|l| l.split(','))
        {
            let (key, value) = match item.split_once('=') {
                Some((key, value)) => (Some(key.trim().to_ascii_lowercase()), value.trim()),
                None => (None, item.trim()),
            };
            if value.is_empty() || value.contains(['(', ')', '=']) || key.as_deref() == Some("") {
                return Err(malformed());
            }
            given.push((key, value.to_owned()));
        }
        let indicator = name.to_ascii_lowercase();
        Ok(Arguments { indicator, given, asked: Vec::new(), taken: Vec::new(), field: None })
    }

    /// The indicator's name.
    pub fn indicator(&self) -> &str {
        &self.indicator
    }

    /// The next argument, a period of at least `least` bars; `default` where it is omitted.
    ///
    /// # Errors
    /// Refuses what is no whole number from `least` to [`Period::MAX`], and none where there is no default.
    pub fn period(
        &mut self,
        name: &'static str,
        least: u32,
        default: Option<u32>,
    ) -> Result<Period, SpecError> {
        let given = self.take(name);
        let bars = match &given {
            Some(text) => text.parse().ok(),
            None => default,
        };
        let period = bars.filter(|&bars| bars >= least).and_then(Period::new).ok_or_else(|| {
            let wanted = format!("a whole number of bars from {least} to {}", Period::MAX);
            self.refuse(name, given.as_deref(), &wanted)
        })?;
        self.taken.push(period.to_string());
        Ok(period)
    }

    /// The next argument, a number above 0 and up to `most`; `default` where it is omitted.
    ///
    /// # Errors
    /// Refuses what is no such number.
    pub fn number(
        &mut self,
        name: &'static str,
        most: f64,
        default: f64,
    ) -> Result<f64, SpecError> {
        let given = self.take(name);
        let number = given.as_deref().map_or(Some(default), |text| text.parse().ok());
        let number = number.filter(|&number| number > 0.0 && number <= most).ok_or_else(|| {
            let wanted = format!("a number above 0 and up to {most}");
            self.refuse(name, given.as_deref(), &wanted)
        })?;
        self.taken.push(number.to_string());
        Ok(number)
    }

    /// Whether the next argument is `word`.
    ///
    /// # Errors
    /// Refuses another word.
    pub fn word(&mut self, word: &'static str) -> Result<bool, SpecError> {
        match self.take(word) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case(word) => {
                self.taken.push(word.to_owned());
                Ok(true)
            }
            Some(text) => {
                Err(self.refuse("parameter", Some(&text), &format!("{word}, or nothing")))
            }
        }
    }

    /// The argument `of=`, close where it is omitted.
    ///
    /// # Errors
    /// Refuses what is no [`Field`].
    pub fn field(&mut self) -> Result<Field, SpecError> {
        self.asked.push("of");
        let Some(at) = self.given.iter().position(|(key, _)| key.as_deref() == Some("of")) else {
            return Ok(Field::Close);
        };
        let text = self.given.remove(at).1;
        let names = Field::ALL.map(Field::name);
        let found = Field::ALL.into_iter().find(|field| text.eq_ignore_ascii_case(field.name()));
        let field = found.ok_or_else(|| {
            let hint =
                nearest(&text, names).map_or_else(String::new, |n| format!("; did you mean {n}?"));
            self.refuse("of", Some(&text), &format!("one of {}{hint}", names.join(", ")))
        })?;
        self.field = Some(field).filter(|&field| field != Field::Close);
        Ok(field)
    }

    /// An error that names `parameter`, what was `given` and what was `wanted`.
    pub fn refuse(&self, parameter: &str, given: Option<&str>, wanted: &str) -> SpecError {
        SpecError::Parameter {
            indicator: self.indicator.clone(),
            parameter: parameter.to_owned(),
            given: given.unwrap_or_default().to_owned(),
            wanted: wanted.to_owned(),
        }
    }

    /// The argument of that name, else the first without a name.
    fn take(&mut self, name: &'static str) -> Option<String> {
        self.asked.push(name);
        let named = self.given.iter().position(|(key, _)| key.as_deref() == Some(name));
        let at = named.or_else(|| self.given.iter().position(|(key, _)| key.is_none()))?;
        Some(self.given.remove(at).1)
    }

    /// Refuses what was given and not taken.
    pub(super) fn finish(&self) -> Result<(), SpecError> {
        let Some((key, value)) = self.given.first() else {
            return Ok(());
        };
        let wanted = match self.asked.as_slice() {
            [] => "none".to_owned(),
            names => format!("({})", names.join(", ")),
        };
        let given = key.iter().map(|key| format!("{key}=")).chain([value.clone()]).collect();
        Err(SpecError::Unused { indicator: self.indicator.clone(), given, wanted })
    }

    /// The canonical text.
    pub(super) fn canonical(&self) -> String {
        let list = self.taken.join(",");
        match self.field {
            Some(field) => format!("{}({list}, of={field})", self.indicator),
            None if list.is_empty() => self.indicator.clone(),
            None => format!("{}({list})", self.indicator),
        }
    }

    /// The column of an output: its name, the parameters and the field, with `p` for a point.
    pub(super) fn column(&self, output: &str) -> String {
        let field = self.field.map(|field| field.name().to_owned());
        let words = self.taken.iter().cloned().chain(field);
        words.fold(output.to_owned(), |name, word| name + "_" + &word.replace('.', "p"))
    }
}
