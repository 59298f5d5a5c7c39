//! From text to the raw form: parses TOML, lays flags over it, names unknown keys, checks kinds,
//! fills in defaults, substitutes `${ENV}` and `${file:PATH}`.
//!
//! Two trees come out: the one to use, and the one to show, in which nothing is substituted.

use super::raw::Root;
use super::schema::{Key, Kind, Section};
use super::substitute::substitute;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Elements a list of the file may have.
const LIST_MAX: usize = 10_000;

/// A configuration that cannot be: one line that names the file or flag, the key, what was given and
/// what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{given}: {rule}")]
pub struct ConfigError {
    /// Where: `cluster.toml: bars.widths[2]` or `--widths`.
    place: String,
    /// ` = "7min"`, or nothing.
    given: String,
    /// What was wanted.
    rule: String,
}

impl ConfigError {
    /// An error of the whole file, or of a flag.
    pub(crate) fn of(place: impl Into<String>, rule: impl std::fmt::Display) -> Self {
        ConfigError { place: place.into(), given: String::new(), rule: one_line(&rule.to_string()) }
    }
}

/// A value that a flag lays over the file's.
#[derive(Clone, Debug)]
pub struct Override {
    /// The flag, as `--widths`.
    pub flag: &'static str,
    /// Path of the key, as `["bars", "widths"]`; of a list of tables the first one is kept and set.
    pub path: &'static [&'static str],
    /// The value.
    pub value: Value,
}

/// The two trees with what is needed to name a place.
pub(super) struct Tree {
    file: String,
    shown: Table,
    flags: BTreeMap<String, &'static str>,
}

impl Tree {
    /// Parses `text` and lays `overrides` over it; `file` names it in errors.
    pub fn read(
        file: &str,
        text: &str,
        overrides: &[Override],
    ) -> Result<(Self, Root), ConfigError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            ConfigError::of(format!("{file}: line {line}"), error.message())
        })?;
        let mut tree = Tree { file: file.to_owned(), shown: table, flags: BTreeMap::new() };
        for over in overrides {
            lay(&mut tree.shown, over.path, over.value.clone());
            tree.flags.insert(over.path.join("."), over.flag);
        }
        let mut shown = tree.shown.clone();
        let filled = tree.fill(Root::SECTION, &mut shown, "");
        tree.shown = shown;
        filled?;
        let mut used = Value::Table(tree.shown.clone());
        tree.resolve(&mut used, "")?;
        let root = Root::deserialize(used).map_err(|e| ConfigError::of(file, e.message()))?;
        Ok((tree, root))
    }

    /// What is shown: flags laid over, defaults filled in, nothing substituted.
    pub fn shown(&self) -> &Table {
        &self.shown
    }

    /// An error at `path`, with the value as it stands in the file.
    pub fn error(&self, path: &str, rule: impl std::fmt::Display) -> ConfigError {
        let given = self.value(path).map(|value| format!(" = {}", one_line(&value.to_string())));
        let rule = one_line(&rule.to_string());
        ConfigError { place: self.place(path), given: given.unwrap_or_default(), rule }
    }

    /// Like [`Tree::error`] with the words of another parser, which may repeat what it was given: they
    /// are left out where something was substituted.
    pub fn error_from(&self, path: &str, message: impl std::fmt::Display) -> ConfigError {
        match self.value(path).and_then(Value::as_str) {
            Some(text) if text.contains("${") => {
                self.error(path, "refused once it was substituted")
            }
            _ => self.error(path, message),
        }
    }

    /// The flag or key of `path`, as errors name it.
    pub fn place(&self, path: &str) -> String {
        let plain: String = strip_indices(path);
        let holds = |key: &str| plain == key || plain.starts_with(&format!("{key}."));
        // The longest path that a flag was laid on is the nearest to the key.
        let flag = self.flags.iter().filter(|(key, _)| holds(key)).max_by_key(|(key, _)| key.len());
        match flag.filter(|(_, flag)| !flag.is_empty()) {
            Some((_, flag)) => (*flag).to_owned(),
            None => format!("{}: {}", self.file, self.short(path)),
        }
    }

    /// The path with the index of a list of tables left out where there is only one.
    fn short(&self, path: &str) -> String {
        let (head, rest) = path.split_at(path.find('.').unwrap_or(path.len()));
        match head.strip_suffix("[0]") {
            Some(name) if self.shown.get(name).is_some_and(single_table) => {
                format!("{name}{rest}")
            }
            _ => path.to_owned(),
        }
    }

    fn value(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.').flat_map(|step| step.split('['));
        let mut at = self.shown.get(steps.next()?)?;
        for step in steps {
            at = match (at, step.strip_suffix(']')) {
                (Value::Array(list), Some(index)) => list.get(index.parse::<usize>().ok()?)?,
                (Value::Table(table), None) => table.get(step)?,
                _ => return None,
            };
        }
        (!at.is_table()).then_some(at)
    }

    /// Names unknown keys, checks kinds and fills in defaults, in the order of the section.
    fn fill(&self, section: &Section, table: &mut Table, at: &str) -> Result<(), ConfigError> {
        for name in table.keys() {
            self.known(section, name, &join(at, name))?;
        }
        for key in section.keys {
            let path = join(at, key.name);
            if !table.contains_key(key.name) {
                let Some(default) = default_of(key) else { continue };
                table.insert(key.name.to_owned(), default);
            }
            if let Some(value) = table.get_mut(key.name) {
                self.check_kind(key, value, &path)?;
            }
        }
        Ok(())
    }

    fn known(&self, section: &Section, name: &str, path: &str) -> Result<(), ConfigError> {
        if section.keys.iter().any(|key| key.name == name) {
            return Ok(());
        }
        let place = format!("{}: {path}", self.file);
        if section.later.contains(&name) {
            return Err(ConfigError::of(place, "not built yet"));
        }
        let names = section.keys.iter().map(|key| key.name);
        Err(match nearest(name, names.clone()) {
            Some(near) => ConfigError::of(place, format!("unknown key, the nearest is \"{near}\"")),
            None => ConfigError::of(
                place,
                format!("unknown key, wanted one of {}", names.collect::<Vec<_>>().join(", ")),
            ),
        })
    }

    fn check_kind(&self, key: &Key, value: &mut Value, path: &str) -> Result<(), ConfigError> {
        match (key.kind, value) {
            // What is substituted is looked at once it is.
            (Kind::Choice(words), Value::String(text))
                if !words.contains(&text.as_str()) && !text.contains("${") =>
            {
                let given = format!(" = {}", Value::from(one_line(text)));
                let rule = format!("one of {} is wanted", words.join(", "));
                Err(ConfigError { place: self.place(path), given, rule })
            }
            (Kind::Text | Kind::Duration | Kind::Choice(_), Value::String(_))
            | (Kind::Integer, Value::Integer(_))
            | (Kind::Number, Value::Float(_))
            | (Kind::Switch, Value::Boolean(_)) => Ok(()),
            (Kind::Number, value @ Value::Integer(_)) => {
                *value = Value::Float(value.as_integer().unwrap_or_default() as f64);
                Ok(())
            }
            // A single one stands for a list of one.
            (Kind::Texts, value @ Value::String(_)) => {
                *value = Value::Array(vec![value.clone()]);
                Ok(())
            }
            (Kind::Texts, Value::Array(list)) if list.iter().all(Value::is_str) => {
                self.check_length(list.len(), path)
            }
            (Kind::Map, Value::Table(table)) if table.values().all(Value::is_str) => {
                self.check_length(table.len(), path)
            }
            (Kind::Table(section), Value::Table(table)) => self.fill(section, table, path),
            (Kind::Tables(section, _), Value::Array(list)) => {
                self.check_length(list.len(), path)?;
                for (index, item) in list.iter_mut().enumerate() {
                    let path = format!("{path}[{index}]");
                    let Value::Table(table) = item else {
                        return Err(ConfigError::of(
                            format!("{}: {path}", self.file),
                            format!("a table is wanted, as [[{}]]", key.name),
                        ));
                    };
                    self.fill(section, table, &path)?;
                }
                Ok(())
            }
            (Kind::Map, Value::Table(table)) => {
                self.check_length(table.len(), path)?;
                match table.iter().find(|(_, value)| !value.is_str()) {
                    None => Ok(()),
                    // A name that is not in quotes is split at its dots. Values may be secrets.
                    Some((name, _)) => Err(ConfigError::of(
                        format!("{}.{name}", self.place(path)),
                        "names and values in quotes are wanted, as \"linger.ms\" = \"5\"",
                    )),
                }
            }
            (kind, value) => {
                let given = match kind {
                    // A password may be among them.
                    Kind::Map => String::new(),
                    _ => format!(" = {}", one_line(&value.to_string())),
                };
                let rule = match kind {
                    Kind::Tables(..) => format!("a list of tables is wanted, as [[{}]]", key.name),
                    kind => format!("a {} is wanted", kind.name()),
                };
                Err(ConfigError { place: self.place(path), given, rule })
            }
        }
    }

    fn check_length(&self, length: usize, path: &str) -> Result<(), ConfigError> {
        if length > LIST_MAX {
            let place = format!("{}: {path}", self.file);
            return Err(ConfigError::of(place, format!("{length} entries, at most {LIST_MAX}")));
        }
        Ok(())
    }

    fn resolve(&self, value: &mut Value, path: &str) -> Result<(), ConfigError> {
        match value {
            Value::String(text) => {
                let resolved = substitute(text).map_err(|rule| self.error(path, rule))?;
                if let Some(resolved) = resolved {
                    *text = resolved;
                }
                Ok(())
            }
            Value::Array(list) => list
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, item)| self.resolve(item, &format!("{path}[{index}]"))),
            Value::Table(table) => {
                table.iter_mut().try_for_each(|(name, item)| self.resolve(item, &join(path, name)))
            }
            _ => Ok(()),
        }
    }
}

fn single_table(list: &Value) -> bool {
    list.as_array().is_some_and(|list| list.len() == 1 && list[0].is_table())
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

fn strip_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|&c| {
            inside = c == '[' || inside && c != ']';
            !inside && c != ']'
        })
        .collect()
}

/// Messages are one line, whatever was given.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The default of a key as a value: tables are there with theirs.
fn default_of(key: &Key) -> Option<Value> {
    match key.kind {
        Kind::Table(_) => Some(Value::Table(Table::new())),
        Kind::Tables(_, true) => Some(Value::Array(vec![Value::Table(Table::new())])),
        Kind::Tables(_, false) => Some(Value::Array(Vec::new())),
        _ if key.default.is_empty() => None,
        _ => {
            let line: Table = format!("x = {}", key.default)
                .parse()
                .expect("defaults are TOML, as a test checks");
            line.get("x").cloned()
        }
    }
}

fn lay(table: &mut Table, path: &[&str], value: Value) {
    let (first, rest) = path.split_first().expect("an override names a key");
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return;
    }
    let mut inner = table.entry((*first).to_owned()).or_insert_with(|| {
        if is_list(first) { Value::Array(Vec::new()) } else { Table::new().into() }
    });
    if let Value::Array(list) = inner {
        list.truncate(1);
        if list.is_empty() {
            list.push(Table::new().into());
        }
        inner = &mut list[0];
    }
    // Another kind is left as it is: the walk names it.
    if let Value::Table(inner) = inner {
        lay(inner, rest, value);
    }
}

fn is_list(name: &str) -> bool {
    Root::SECTION.keys.iter().any(|key| key.name == name && matches!(key.kind, Kind::Tables(..)))
}

/// The name within reach of a slip of the pen: at most a third of its letters changed.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
