//! Looking into the store: what `tidemill query --as-of` answers, and bars as a chart.

use super::tape::price;
use market::Time;
use serde_json::Value;
use sinks::{Format, query_as_of};
use std::path::Path;

/// Rows of a chart, but for one.
const HIGH: i64 = 11;

/// A bar of a chart, in cents.
pub struct Candle {
    label: String,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
}

/// A column of times as the time of day.
fn clock(column: &str, format: &str) -> String {
    format!("strftime('{format}', {column} / 1000000000, 'unixepoch')")
}

/// The versions of a symbol's bar that are not valid any more.
pub fn past(symbol: &str, opens: &str) -> String {
    let [known, until] = ["known_at", "known_until"].map(|column| clock(column, "%H:%M:%S"));
    let bar = clock("ts_open", "%H:%M");
    format!(
        "SELECT {bar} AS bar, open, high, low, close, volume, revision AS rev, \
         {known} AS known_at, {until} AS known_until FROM aggregated_data_revisions \
         WHERE symbol = '{symbol}' AND {bar} = '{opens}' ORDER BY revision"
    )
}

/// The bars of a symbol that open from `from` to `to` (as 13:47), with their RSI.
pub fn bars(symbol: &str, from: &str, to: &str) -> String {
    let (opens, known) = (clock("ts_open", "%H:%M"), clock("b.known_at", "%H:%M:%S"));
    format!(
        "SELECT {opens} AS bar, b.open, b.high, b.low, b.close, b.volume, b.trade_count AS trades, \
         round(i.rsi_14, 2) AS rsi_14, b.revision AS rev, {known} AS known_at \
         FROM aggregated_data b LEFT JOIN technical_indicators i USING (symbol, width, ts_open, seq) \
         WHERE symbol = '{symbol}' AND {opens} BETWEEN '{from}' AND '{to}' ORDER BY ts_open"
    )
}

/// What the command would print.
pub fn ask(
    folder: &Path,
    sql: &str,
    known: Option<Time>,
    format: Format,
) -> anyhow::Result<String> {
    let mut answer = Vec::new();
    query_as_of(folder, sql, known, format, &mut answer)?;
    Ok(String::from_utf8(answer)?)
}

/// The bars of a question, as they were known.
pub fn candles(folder: &Path, sql: &str, known: Option<Time>) -> anyhow::Result<Vec<Candle>> {
    let rows: Vec<Value> = serde_json::from_str(&ask(folder, sql, known, Format::Json)?)?;
    let candle = |row: &Value| {
        let number = |name: &str| (row[name].as_f64().unwrap_or(0.0) * 100.0).round() as i64;
        let label = row["bar"].as_str().unwrap_or_default().to_owned();
        let [open, high, low, close] = ["open", "high", "low", "close"].map(number);
        Candle { label, open, high, low, close }
    };
    Ok(rows.iter().map(candle).collect())
}

/// Bars as candles: a body from open to close, hollow where it rose, and a line from low to high.
pub fn chart(candles: &[Candle]) -> String {
    let least = candles.iter().map(|candle| candle.low).min().unwrap_or(0);
    let most = candles.iter().map(|candle| candle.high).max().unwrap_or(0);
    let step = ((most - least + HIGH - 1) / HIGH).max(1);
    let row_of = |cents: i64| (cents - least + step / 2) / step;
    let mut text = String::new();
    for row in (0..=row_of(most)).rev() {
        let cents = least + step * row;
        let mut line = format!("{:>8} |", price(cents));
        for candle in candles {
            let body = [row_of(candle.open), row_of(candle.close)];
            let is_in = |[from, to]: [i64; 2]| from.min(to) <= row && row <= from.max(to);
            line += match is_in(body) {
                true if candle.close >= candle.open => "   □  ",
                true => "   ■  ",
                false if is_in([row_of(candle.low), row_of(candle.high)]) => "   │  ",
                false => "      ",
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    let labels: String = candles.iter().map(|candle| format!(" {:>5}", candle.label)).collect();
    text + &" ".repeat(9) + &labels + "\n"
}
