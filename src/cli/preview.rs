//! `tidemill check FILE`: the first rows of a data file as they are understood.

use super::Failure;
use super::args::CheckArgs;
use super::output::{print, print_json};
use super::replay::source;
use crate::config::{Config, Override, SourceKind};
use crate::engine::{file_source, table};
use market::{PartitionError, Side, TransType};
use operators::indicator::Registry;
use serde_json::{Value, json};
use sources::{FileError, Previewed, preview as first_rows};

/// Rows a preview shows at most.
const ROWS_MAX: usize = 10_000;

/// Shows them; code 3 where none can be used.
pub(super) fn preview(file: &str, args: &CheckArgs) -> Result<u8, Failure> {
    let mut list: Vec<Override> = Vec::new();
    source(&mut list, &[file.to_owned()], &args.layout);
    let config =
        Config::parse("flags", "", &list, &Registry::standard()).map_err(Failure::usage)?;
    let Some(SourceKind::Files(files)) = config.sources().first().map(|source| &source.kind) else {
        return Err(Failure::usage("a file is wanted"));
    };
    let layout = file_source(files, 1, 0).layout;
    let rows = first_rows(file, &layout, args.rows.clamp(1, ROWS_MAX)).map_err(failure)?;
    match args.json {
        true => print_json(&json!({
            "file": file,
            "rows": rows.iter().map(document).collect::<Vec<_>>(),
        }))?,
        false => print(&text(&rows))?,
    }
    let used = rows.iter().any(|row| matches!(row, Previewed::Trade { .. }));
    Ok(if used { 0 } else { 3 })
}

fn failure(error: FileError) -> Failure {
    match error {
        FileError::Read(PartitionError { usage: false, .. }) | FileError::Threads(_) => {
            Failure::failed(error)
        }
        error => Failure::usage(error),
    }
}

fn document(row: &Previewed) -> Value {
    match row {
        Previewed::Trade { row, ts_event, symbol, price, size, side, trans } => {
            let says = *trans != TransType::Cancel;
            json!({
                "row": row,
                "ts_event": says.then(|| ts_event.to_string()),
                "symbol": symbol,
                "price": says.then(|| price.to_string()),
                "size": says.then(|| size.to_string()),
                "side": side.filter(|_| says).map(letter),
                "trans_type": trans.name(),
            })
        }
        Previewed::Refused { row, reason, detail, raw } => {
            json!({"row": row, "refused": reason.code(), "detail": detail, "raw": raw})
        }
    }
}

fn text(rows: &[Previewed]) -> String {
    let mut trades = Vec::new();
    let mut refused = String::new();
    for row in rows {
        match row {
            Previewed::Trade { row, ts_event, symbol, price, size, side, trans } => {
                let says = *trans != TransType::Cancel;
                let said = |text: String| if says { text } else { String::new() };
                trades.push(vec![
                    row.to_string(),
                    said(ts_event.to_string()),
                    symbol.clone(),
                    said(price.to_string()),
                    said(size.to_string()),
                    side.filter(|_| says).map_or("", letter).to_owned(),
                    trans.name().to_owned(),
                ]);
            }
            Previewed::Refused { row, reason, detail, raw } => {
                refused += &format!("row {row} is refused ({reason}): {detail}: {raw}\n");
            }
        }
    }
    let columns = ["row", "ts_event", "symbol", "price", "size", "side", "trans_type"];
    table(&columns, &trades) + &refused
}

fn letter(side: Side) -> &'static str {
    match side {
        Side::Ask => "A",
        Side::Bid => "B",
        Side::Unknown => "N",
    }
}
