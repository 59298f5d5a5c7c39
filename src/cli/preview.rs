//! `tidemill check FILE`: the first rows of a data file as they are understood.

use super::Failure;
use super::args::CheckArgs;
use super::output::{print, print_json};
use super::replay::source;
use crate::config::{Config, Override, SourceKind};
use crate::engine::{file_source, table};
use market::{PartitionError, Side, Symbols, TradeId};
use operators::indicator::Registry;
use serde_json::{Value, json};
use sources::{Decoded, Fed, FileError, Undecoded};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// Rows a preview shows at most.
const ROWS_MAX: usize = 10_000;
const HEADERS: [&str; 7] = ["ts_event", "symbol", "price", "size", "trade_id", "venue", "side"];

/// Rows that were understood, and what was not.
struct Seen {
    rows: Vec<Vec<String>>,
    refused: Vec<Undecoded>,
}

/// Shows them.
pub(super) fn preview(file: &str, args: &CheckArgs) -> Result<u8, Failure> {
    let rows_max = args.rows.clamp(1, ROWS_MAX);
    let seen = read(file, args, rows_max)?;
    if args.json {
        let row = |row: &Vec<String>| -> Value {
            HEADERS.iter().zip(row).map(|(name, cell)| (name.to_string(), json!(cell))).collect()
        };
        let refusal = |record: &Undecoded| json!({"reason": record.reason.code(), "detail": record.detail, "raw": record.raw});
        print_json(&json!({
            "file": file,
            "rows": seen.rows.iter().map(row).collect::<Vec<_>>(),
            "refused": seen.refused.iter().map(refusal).collect::<Vec<_>>(),
        }))?;
    } else {
        let mut text = table(&HEADERS, &seen.rows);
        for record in &seen.refused {
            text += &format!("refused ({}): {}: {}\n", record.reason, record.detail, record.raw);
        }
        print(&text)?;
    }
    Ok(if seen.rows.is_empty() { 3 } else { 0 })
}

fn read(file: &str, args: &CheckArgs, rows_max: usize) -> Result<Seen, Failure> {
    let mut list: Vec<Override> = Vec::new();
    source(&mut list, &[file.to_owned()], &args.layout);
    // The order is not what is looked at here.
    list.push(Override { flag: "", path: &["source", "order"], value: "log".into() });
    let config =
        Config::parse("flags", "", &list, &Registry::standard()).map_err(Failure::usage)?;
    let Some(SourceKind::Files(files)) = config.sources().first().map(|source| &source.kind) else {
        return Err(Failure::usage("a file is wanted"));
    };
    let symbols = Symbols::default();
    let checked = file_source(files, 1, 0).check().map_err(refused)?;
    let opener = checked.open(&symbols).map_err(refused)?.into_iter().next();
    let mut feed = opener.ok_or_else(|| Failure::usage("a file is wanted"))?().map_err(failed)?;
    let (wake, woken) = sync_channel(1);
    // A full channel means that somebody woke already.
    feed.wake_by(Arc::new(move || {
        let _ = wake.try_send(());
    }));
    let mut seen = Seen { rows: Vec::new(), refused: Vec::new() };
    while seen.rows.len() + seen.refused.len() < rows_max {
        match feed.poll().map_err(failed)? {
            Fed::End => break,
            Fed::Batch(batch) => take(&mut seen, *batch, &symbols, rows_max),
            Fed::Pending => {
                if woken.recv().is_err() {
                    break;
                }
            }
        }
    }
    Ok(seen)
}

fn refused(error: FileError) -> Failure {
    match error {
        FileError::Read(error) => failed(error),
        FileError::Threads(_) => Failure::failed(error),
        error => Failure::usage(error),
    }
}

fn failed(error: PartitionError) -> Failure {
    if error.usage { Failure::usage(error) } else { Failure::failed(error) }
}

fn take(seen: &mut Seen, batch: Decoded, symbols: &Symbols, rows_max: usize) {
    let mut undecoded = batch.undecoded.into_iter().peekable();
    let trades = &batch.trades;
    for row in 0..=trades.len() {
        while let Some(record) = undecoded.next_if(|record| record.before_row as usize <= row) {
            if seen.rows.len() + seen.refused.len() < rows_max {
                seen.refused.push(record);
            }
        }
        if row == trades.len() || seen.rows.len() + seen.refused.len() >= rows_max {
            continue;
        }
        let symbol = trades.symbol[row];
        let scales = symbols.scales(symbol);
        let side = trades.side.get(row).map_or("", |side| match side {
            Side::Ask => "A",
            Side::Bid => "B",
            Side::Unknown => "N",
        });
        let id = trades.trade_id.get(row).filter(|id| **id != TradeId::NONE);
        seen.rows.push(vec![
            trades.ts_event[row].to_string(),
            symbols.text(symbol).to_string(),
            trades.price[row].decimal(scales.price).to_string(),
            trades.size[row].decimal(scales.size).to_string(),
            id.map_or_else(String::new, |id| match id.is_number() {
                true => id.raw().to_string(),
                false => format!("{:032x}", id.raw()),
            }),
            trades
                .venue
                .get(row)
                .map_or_else(String::new, |venue| symbols.text(*venue).to_string()),
            side.to_owned(),
        ]);
    }
}
