//! `tidemill dead-letters`: what was refused, counted, shown and exported.

use super::output::{print, print_json};
use super::store_args::{LetterAction, LetterArgs, LetterFilter};
use super::{Failure, store_folder};
use crate::engine::{grouped, table};
use market::Reason;
use serde_json::{Value, json};
use sinks::{Filter, LetterError, Letters, Summary};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Does one of the three.
pub(super) fn letters(args: &LetterArgs) -> Result<u8, Failure> {
    match &args.action {
        LetterAction::List(filter) => list(filter),
        LetterAction::Show { number, filter } => show(*number, filter),
        LetterAction::Export { filter, out } => export(filter, out.as_deref()),
    }?;
    Ok(0)
}

fn open(filter: &LetterFilter) -> Result<(Letters, Filter), Failure> {
    if let Some(given) = filter.reason.as_deref() {
        known(given)?;
    }
    let letters = Letters::open(&store_folder(filter.data.as_deref())?).map_err(failure)?;
    Ok((letters, Filter { reason: filter.reason.clone(), symbol: filter.symbol.clone() }))
}

/// Refuses a reason that nothing is refused for: nothing found would be taken for nothing refused.
fn known(given: &str) -> Result<(), Failure> {
    let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    match codes.contains(&given) {
        true => Ok(()),
        false => {
            let codes = codes.join(", ");
            Err(Failure::usage(format!("--reason = \"{given}\": one of {codes} is wanted")))
        }
    }
}

fn failure(error: LetterError) -> Failure {
    match error {
        LetterError::Io(_) => Failure::failed(error),
        _ => Failure::usage(error),
    }
}

fn list(filter: &LetterFilter) -> Result<(), Failure> {
    let (letters, wanted) = open(filter)?;
    let Summary { counts, kept, dropped } = letters.list(&wanted).map_err(failure)?;
    if filter.json {
        let counts: Vec<Value> = counts
            .iter()
            .map(|((reason, source, symbol), count)| {
                json!({"reason": reason, "source": source, "symbol": symbol, "count": count})
            })
            .collect();
        return print_json(&json!({"kept": kept, "dropped": dropped, "counts": counts}));
    }
    let rows: Vec<Vec<String>> = counts
        .into_iter()
        .map(|((reason, source, symbol), count)| vec![reason, symbol, grouped(count), source])
        .collect();
    let mut text = table(&["reason", "symbol", "count", "source"], &rows);
    text += &format!(
        "{} refused records kept, {} dropped by rotation\n",
        grouped(kept),
        grouped(dropped)
    );
    print(&text)
}

fn show(number: u64, filter: &LetterFilter) -> Result<(), Failure> {
    let (letters, _) = open(filter)?;
    let letter = letters.show(number).map_err(failure)?;
    if filter.json {
        return print_json(&letter.fields);
    }
    let items = letter.items();
    let wide = items.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    print(&items.iter().map(|(name, value)| format!("{name:wide$}  {value}\n")).collect::<String>())
}

fn export(filter: &LetterFilter, out: Option<&Path>) -> Result<(), Failure> {
    let (letters, wanted) = open(filter)?;
    let as_json = filter.json && out.is_none()
        || out.is_some_and(|path| path.extension().is_some_and(|end| end == "json"));
    let mut writer: Box<dyn Write> = match out {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => Box::new(File::create(path).map_err(|error| {
            Failure::failed(format!("{}: cannot be written: {error}", path.display()))
        })?),
    };
    let mut writer = BufWriter::new(&mut writer);
    let count = match as_json {
        true => letters.export_json(&wanted, &mut writer),
        false => letters.export_csv(&wanted, &mut writer),
    }
    .map_err(failure)?;
    writer
        .flush()
        .map_err(|error| Failure::failed(format!("cannot write the letters: {error}")))?;
    let Some(path) = out else { return Ok(()) };
    match filter.json {
        true => print_json(&json!({"written": path.display().to_string(), "letters": count})),
        false => print(&format!("wrote {} letters to {}\n", grouped(count), path.display())),
    }
}
