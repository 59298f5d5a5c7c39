//! What is written from the description of the keys: `docs/configuration.md`, the file of
//! `tidemill init`, and the effective configuration.

use super::raw::Root;
use super::schema::{Key, Kind, Section};
use std::fmt::Write;
use toml::{Table, Value};

/// `docs/configuration.md`.
pub fn documentation() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         `cluster.toml` is the one configuration file; `tidemill init` writes it with comments and\n\
         `tidemill check --print` shows what is in effect. Flags win over the file. An unknown key stops\n\
         the start. Durations are a whole number and a unit: `ns us ms s min h d`. Any text may hold\n\
         `${NAME}` (environment) or `${file:PATH}` (a file's text); what they stand for is never printed.\n\n\
         This page is generated from the types (`UPDATE_EXPECT=1 cargo test --test configuration`).\n",
    );
    describe(&mut text, "", Root::SECTION);
    text
}

fn describe(text: &mut String, path: &str, section: &Section) {
    let plain: Vec<&Key> = section.keys.iter().filter(|key| section_of(key).is_none()).collect();
    let title = if path.is_empty() { "Top level".to_owned() } else { format!("`{path}`") };
    let _ = writeln!(text, "\n## {title}\n\n{}", section.doc.trim());
    if !plain.is_empty() {
        text.push_str(
            "\n| key | type | default | rule | flag | what it is |\n|---|---|---|---|---|---|\n",
        );
    }
    for key in plain {
        let code = |word: &str| match word {
            "" => String::new(),
            word => format!("`{}`", word.replace('|', "\\|")),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            key.name,
            key.kind.name(),
            code(key.default),
            key.rule,
            code(key.flag),
            key.doc.trim()
        );
    }
    if !section.later.is_empty() {
        let names: Vec<_> = section.later.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "\nRefused until they are built: {}.", names.join(", "));
    }
    for key in section.keys {
        if let Some((inner, list)) = section_of(key) {
            let name = if path.is_empty() {
                key.name.to_owned()
            } else {
                format!("{}.{}", path.trim_matches(['[', ']']), key.name)
            };
            let header = if list { format!("[[{name}]]") } else { format!("[{name}]") };
            describe(text, &header, inner);
        }
    }
}

/// The section a key opens, and whether it is a list of them.
fn section_of(key: &Key) -> Option<(&'static Section, bool)> {
    match key.kind {
        Kind::Table(section) => Some((section, false)),
        Kind::Tables(section, _) => Some((section, true)),
        _ => None,
    }
}

/// What `tidemill init` writes: every key with its comment; keys at their defaults are commented out.
pub fn template() -> String {
    let mut text = String::from(
        "# Tidemill's configuration. Keys that are commented out show their defaults.\n\
         # Check it with: tidemill check --print\n",
    );
    for key in Root::SECTION.keys {
        match section_of(key) {
            None => {
                let _ = writeln!(text, "\n# {}\n{} = {}", key.doc.trim(), key.name, key.default);
            }
            Some((section, list)) => {
                let header =
                    if list { format!("[[{}]]", key.name) } else { format!("[{}]", key.name) };
                let _ = writeln!(text, "\n# {}\n{header}", section.doc.trim());
                write_keys(&mut text, key.name, section, "");
            }
        }
    }
    text
}

/// Values that make the file of `tidemill init` one that runs as it stands.
const SET: [(&str, &str); 5] = [
    ("source.kind", "\"simulator\""),
    ("bars.widths", "[\"1min\", \"5min\", \"15min\", \"1h\"]"),
    (
        "indicators.list",
        "[\"sma(20)\", \"ema(12)\", \"ema(26)\", \"rsi(14)\", \"macd(12,26,9)\", \"bb(20,2)\", \"vwap(session)\"]",
    ),
    ("deployment.name", "\"tidemill\""),
    ("sink.kind", "\"sqlite\""),
];

fn write_keys(text: &mut String, path: &str, section: &Section, prefix: &str) {
    for key in section.keys {
        let path = format!("{path}.{}", key.name);
        if let Some((inner, _)) = section_of(key) {
            write_keys(text, &path, inner, &format!("{prefix}{}.", key.name));
            continue;
        }
        let set = SET.iter().find(|(name, _)| *name == path).map(|(_, value)| *value);
        let rule = if key.rule.is_empty() { String::new() } else { format!(" ({})", key.rule) };
        let _ = writeln!(text, "# {}{rule}", key.doc.trim());
        let value = set.unwrap_or(if key.default.is_empty() { "\"\"" } else { key.default });
        let mark = if set.is_some() { "" } else { "#" };
        let _ = writeln!(text, "{mark}{prefix}{} = {value}", key.name);
    }
}

/// The effective configuration in the order of the sections.
pub(super) fn effective(shown: &Table) -> String {
    let mut text = String::new();
    write_values(&mut text, Root::SECTION, shown, "");
    text
}

fn write_values(text: &mut String, section: &Section, table: &Table, prefix: &str) {
    for key in section.keys {
        match (section_of(key), table.get(key.name)) {
            (None, Some(value)) => {
                let _ = writeln!(text, "{prefix}{} = {}", key.name, concealed(key.name, value));
            }
            (Some((inner, false)), Some(Value::Table(table)))
                if prefix.is_empty() && is_root(section) =>
            {
                let _ = writeln!(text, "\n[{}]", key.name);
                write_values(text, inner, table, "");
            }
            (Some((inner, false)), Some(Value::Table(table))) => {
                write_values(text, inner, table, &format!("{prefix}{}.", key.name));
            }
            (Some((inner, true)), Some(Value::Array(list))) => {
                for table in list.iter().filter_map(Value::as_table) {
                    let _ = writeln!(text, "\n[[{}]]", key.name);
                    write_values(text, inner, table, "");
                }
            }
            _ => {}
        }
    }
}

/// A value without the secrets that stand in it as they are.
fn concealed(name: &str, value: &Value) -> Value {
    const HIDDEN: &str = "(not shown)";
    let is_secret =
        ["password", "secret", "jaas", "key.pem"].iter().any(|part| name.contains(part));
    match value {
        Value::Table(table) => {
            let inside = table.iter().map(|(name, value)| (name.clone(), concealed(name, value)));
            Value::Table(inside.collect())
        }
        // What is put in by the environment or a file stands there by its name alone.
        Value::String(text) if text.contains("${") => value.clone(),
        Value::String(_) if is_secret => HIDDEN.into(),
        Value::String(text) => match text.split_once("://").and_then(|(scheme, rest)| {
            let (_, host) = rest.rsplit_once('@')?;
            Some(format!("{scheme}://{HIDDEN}@{host}"))
        }) {
            Some(shown) => shown.into(),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

fn is_root(section: &Section) -> bool {
    std::ptr::eq(section, Root::SECTION)
}
