//! Any text as a configuration, and as each of the small languages that flags carry: columns,
//! filters, indicators, durations. Every one parses or is refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use operators::indicator::Registry;
use sources::{Layout, LayoutOptions};
use std::fmt::Display;
use std::sync::LazyLock;
use tidemill::config::{Config, Override};
use toml::{Table, Value};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

/// The command escapes what is not printable; here only that something is said.
fn says_why(error: &impl Display) {
    assert!(!error.to_string().is_empty());
}

fn configuration(text: &str, flags: &[Override]) {
    match Config::parse("fuzz", text, flags, &REGISTRY) {
        // What is shown as effective is itself a configuration, the same one.
        Ok(config) => {
            let again = Config::parse("shown", &config.print(), &[], &REGISTRY);
            let again = again.unwrap_or_else(|error| panic!("{error}\n{}", config.print()));
            assert_eq!(again.fingerprint(), config.fingerprint());
        }
        Err(error) => says_why(&error),
    }
}

fn flag(flag: &'static str, path: &'static [&'static str], value: Value) {
    let source = [("files".to_owned(), Value::Array(vec!["a.csv".into()]))];
    let source = Value::Array(vec![Table::from_iter(source).into()]);
    let first = Override { flag: "", path: &["source"], value: source };
    configuration("", &[first, Override { flag, path, value }]);
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, rest) = text.split_at(text.len().min(usize::from(text.is_char_boundary(1))));
    match first.bytes().next().unwrap_or(0) % 6 {
        0 => configuration(rest, &[]),
        1 => flag("--columns", &["source", "columns"], rest.into()),
        2 => flag("--where", &["source", "where"], rest.into()),
        3 => flag("--widths", &["bars", "widths"], Value::Array(vec![rest.into()])),
        4 => flag("--lateness", &["source", "lateness"], rest.into()),
        _ => {
            let list = Value::Array(rest.split(';').map(Value::from).collect());
            let table = Table::from_iter([("list".to_owned(), list)]);
            flag("--indicators", &["indicators"], Value::Array(vec![table.into()]));
            let _ = REGISTRY.parse_list(rest).map_err(|error| says_why(&error));
        }
    }
    let columns = LayoutOptions { columns: Some(rest.to_owned()), ..LayoutOptions::default() };
    let _ = Layout::new(&columns).map_err(|error| says_why(&error));
    let filter = LayoutOptions { filter: Some(rest.to_owned()), ..LayoutOptions::default() };
    let _ = Layout::new(&filter).map_err(|error| says_why(&error));
});
