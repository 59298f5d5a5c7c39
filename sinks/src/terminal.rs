//! Tables as plain aligned text, and a sink that keeps the newest row of each symbol for one, and a few rows
//! before it: when the newest is removed, the one before it is shown.

use crate::batch::failed;
use market::{Cell, ColumnKind, Rows, Sink, SinkError, Time, Width};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// Rows of a symbol that are kept. When all of them are removed the symbol is not shown, until there is a new one.
const KEPT_MAX: usize = 8;

/// Lays out `rows` under `headers`: numbers to the right, text to the left, two spaces between.
pub fn render_table<H: AsRef<str>, C: AsRef<str>>(headers: &[H], rows: &[Vec<C>]) -> String {
    let cell = |row: &Vec<C>, at: usize| row.get(at).map_or(String::new(), |c| clean(c.as_ref()));
    let mut out = String::new();
    let mut columns = Vec::new();
    for (at, header) in headers.iter().enumerate() {
        let cells = || rows.iter().map(|row| cell(row, at));
        let width = cells().map(|c| c.chars().count()).max().unwrap_or(0);
        let width = width.max(header.as_ref().chars().count());
        let is_number = |c: &String| c.is_empty() || c.parse::<f64>().is_ok();
        columns.push((width, !rows.is_empty() && cells().all(|c| is_number(&c))));
    }
    let mut line = |cells: Vec<String>| {
        let mut text = String::new();
        for (cell, (width, right)) in cells.iter().zip(&columns) {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if *right { (gap.as_str(), "") } else { ("", gap.as_str()) };
            text.push_str(before);
            text.push_str(cell);
            text.push_str(after);
            text.push_str("  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(headers.iter().map(|h| clean(h.as_ref())).collect());
    line(columns.iter().map(|(width, _)| "-".repeat(*width)).collect());
    for row in rows {
        line((0..headers.len()).map(|at| cell(row, at)).collect());
    }
    out
}

/// Control characters would break the table, or command the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A cell as text: decimals exact, doubles as the shortest text that reads back the same, times RFC 3339.
pub fn cell_text(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(value) => value.to_string(),
        Cell::Decimal(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Time(value) => value.to_string(),
    }
}

/// The newest rows of a symbol by start and seq, as cells.
type Newest = BTreeMap<(Time, u32), Vec<String>>;

/// Keeps the newest row of each symbol of one table and width, and prints them at the end.
pub struct TerminalSink<W: Write + Send> {
    out: W,
    table: String,
    width: Width,
    headers: Vec<String>,
    newest: BTreeMap<Arc<str>, Newest>,
}

impl<W: Write + Send> TerminalSink<W> {
    /// Shows rows of `table` that have `width`.
    pub fn new(out: W, table: &str, width: Width) -> Self {
        TerminalSink {
            out,
            table: table.to_owned(),
            width,
            headers: Vec::new(),
            newest: BTreeMap::new(),
        }
    }
}

impl<W: Write + Send> Sink for TerminalSink<W> {
    fn name(&self) -> &str {
        "terminal"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        if rows.table.name != self.table {
            return Ok(());
        }
        let own = ["symbol", "ts_open"].into_iter().map(str::to_owned);
        let shown = |kind: ColumnKind| kind != ColumnKind::Time;
        let columns = rows.table.columns.iter().filter(|c| shown(c.kind)).map(|c| c.name.clone());
        self.headers = own.chain(columns).collect();
        for (row, key) in rows.keys.iter().enumerate() {
            if key.width != self.width {
                continue;
            }
            let symbol = rows.symbols.text(key.symbol);
            let (kept, place) =
                (self.newest.entry(symbol.clone()).or_default(), (key.ts_open, key.seq));
            if key.is_removed() {
                kept.remove(&place);
                continue;
            }
            let mut cells = vec![symbol.to_string(), key.ts_open.to_string()];
            for (column, spec) in rows.table.columns.iter().enumerate() {
                if shown(spec.kind) {
                    cells.push(cell_text(&rows.cell(row, column)));
                }
            }
            kept.insert(place, cells);
            if kept.len() > KEPT_MAX {
                kept.pop_first();
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        let newest = |kept: &Newest| Some(kept.last_key_value()?.1.clone());
        let rows: Vec<Vec<String>> = self.newest.values().filter_map(newest).collect();
        let text = render_table(&self.headers, &rows);
        self.out.write_all(text.as_bytes()).map_err(failed("terminal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Body, Change, RowKey, Symbols, TableSpec};

    #[test]
    fn numbers_stand_right_and_text_left() {
        let rows = vec![vec!["NVDA", "1.5"], vec!["\u{1b}[31m", "-20"]];
        let table = render_table(&["symbol", "x"], &rows);
        assert_eq!(table, "symbol    x\n------  ---\nNVDA    1.5\n\u{fffd}[31m   -20\n");
        assert_eq!(render_table(&["a"], &Vec::<Vec<String>>::new()), "a\n-\n");
    }

    /// Rows of `A` at the start of seconds; removed, where those are negative.
    fn shown(seconds: &[i64]) -> String {
        let symbols = Symbols::default();
        let symbol = symbols.intern(b"A").unwrap();
        let key = |(at, second): (usize, &i64)| RowKey {
            epoch: at as i64,
            ts_open: Time::from_ns(second.abs() * Time::SECOND),
            symbol,
            width: Width::SESSION,
            seq: 0,
            revision: 0,
            change: if *second < 0 { Change::Removed } else { Change::Added },
        };
        let keys: Vec<RowKey> = seconds.iter().enumerate().map(key).collect();
        let values = seconds.iter().map(|second| *second as f64).collect();
        let table = Arc::new(TableSpec::floats("factors", &["x".to_owned()]));
        let known_at = vec![Time::from_ns(0); keys.len()];
        let mut sink = TerminalSink::new(Vec::new(), "factors", Width::SESSION);
        let body = Body::Floats { stride: 1, values };
        sink.write(&Rows { table, keys, known_at, body, symbols }).unwrap();
        sink.finish().unwrap();
        String::from_utf8(sink.out).unwrap().lines().skip(2).collect()
    }

    #[test]
    fn the_newest_row_that_is_there_is_shown() {
        let row = |second: i64| format!("A       1970-01-01T00:00:{second:02}Z  {second}");
        assert_eq!(shown(&[1, 3, 2]), row(3));
        assert_eq!(shown(&[1, 3, 2, -3]), row(2));
        assert_eq!(shown(&[1, 2, -2, -1, 1]), row(1));
        assert_eq!(shown(&[1, -1]), "");
        // More than are kept: the last of them is one of those that were kept.
        let all: Vec<i64> = (1..=KEPT_MAX as i64 + 1).collect();
        let but_one: Vec<i64> = all[2..].iter().map(|second| -second).collect();
        assert_eq!(shown(&[&all[..], &but_one].concat()), row(2));
        let removed: Vec<i64> = all[1..].iter().map(|second| -second).collect();
        assert_eq!(shown(&[&all[..], &removed].concat()), "");
    }
}
