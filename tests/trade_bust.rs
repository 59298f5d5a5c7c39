//! The example's numbers against a computation of its own: the tape's file, read and corrected here by hand, its bars
//! and their RSI by loops.

#[path = "../examples/trade_bust/story/mod.rs"]
mod story;

use market::Time;
use serde_json::Value;
use sinks::{Filter, Format, Letters, query_as_of};
use std::collections::BTreeMap;
use std::path::Path;
use story::VALUES;

/// Time, line, cents, size, conditions.
type Trade = (i64, usize, i64, i64, String);

/// Open, high, low, close in cents, volume, trades.
type Bar = (i64, i64, i64, i64, i64, i64);

/// The trades of a symbol that are left in the end, in order.
fn trades(tape: &str, symbol: &str) -> Vec<Trade> {
    let mut trades: BTreeMap<(String, String), Trade> = BTreeMap::new();
    let mut early: Vec<(String, String)> = Vec::new();
    for (line, text) in tape.lines().enumerate().skip(1) {
        let cells: Vec<&str> = text.split(',').collect();
        let &[of, ts, price, size, id, venue, conditions, trans, _came] = &cells[..] else {
            panic!("line {line}: nine cells are wanted: {text}");
        };
        let name = (venue.to_owned(), id.to_owned());
        if of != symbol {
            continue;
        }
        if trans == "cancel" {
            trades.remove(&name);
            early.push(name);
            continue;
        }
        let line = trades.get(&name).map_or(line, |trade| trade.1);
        let ts = Time::parse(ts).unwrap().ns();
        let cents = price.replace('.', "").parse().unwrap();
        let trade = (ts, line, cents, size.parse().unwrap(), conditions.to_owned());
        if !early.contains(&name) {
            trades.insert(name, trade);
        }
    }
    let mut trades: Vec<Trade> = trades.into_values().collect();
    trades.sort();
    trades
}

/// Bars by the minute they open in, from trades in order.
fn bars(trades: &[Trade]) -> BTreeMap<i64, Bar> {
    let mut minutes: BTreeMap<i64, Vec<&Trade>> = BTreeMap::new();
    for trade in trades {
        minutes.entry(trade.0 / (60 * Time::SECOND)).or_default().push(trade);
    }
    let bar = |(minute, trades): (i64, Vec<&Trade>)| {
        let not = |codes: &str| {
            let is_in = |trade: &&&Trade| !trade.4.chars().any(|code| codes.contains(code));
            trades.iter().filter(is_in).collect::<Vec<_>>()
        };
        let (priced, counted) = (not("IBTQ"), not("Q"));
        let (first, last) = (priced.first()?, priced.last()?);
        let high = priced.iter().map(|trade| trade.2).max()?;
        let low = priced.iter().map(|trade| trade.2).min()?;
        let volume = counted.iter().map(|trade| trade.3).sum();
        Some((minute, (first.2, high, low, last.2, volume, counted.len() as i64)))
    };
    minutes.into_iter().filter_map(bar).collect()
}

/// Wilder's, over 14 changes.
fn rsi(closes: &[i64]) -> Vec<Option<f64>> {
    let (mut gain, mut loss, mut values) = (0.0, 0.0, vec![None]);
    for (at, pair) in closes.windows(2).enumerate() {
        let change = (pair[1] - pair[0]) as f64;
        let (up, down) = (change.max(0.0), (-change).max(0.0));
        let is_first = at < 14;
        (gain, loss) = match is_first {
            true => (gain + up / 14.0, loss + down / 14.0),
            false => ((gain * 13.0 + up) / 14.0, (loss * 13.0 + down) / 14.0),
        };
        values.push((at >= 13).then(|| 100.0 * gain / (gain + loss)));
    }
    values
}

fn ask(store: &Path, sql: &str, known: Option<&str>) -> Vec<Value> {
    let mut answer = Vec::new();
    let known = known.map(|text| Time::parse(text).unwrap());
    query_as_of(store, sql, known, Format::Json, &mut answer).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn cents(value: &Value) -> i64 {
    (value.as_f64().unwrap() * 100.0).round() as i64
}

/// A bar of TIDE as it was known.
fn known(store: &Path, opens: &str, at: Option<&str>) -> (Bar, f64) {
    let opens = Time::parse(&format!("2024-03-12T{opens}:00Z")).unwrap().ns();
    let at = at.map(|at| format!("2024-03-12T{at}Z"));
    let sql = format!(
        "SELECT * FROM aggregated_data b LEFT JOIN technical_indicators i USING (symbol, ts_open) \
         WHERE symbol = 'TIDE' AND ts_open = {opens}"
    );
    let rows = ask(store, &sql, at.as_deref());
    assert_eq!(rows.len(), 1, "{sql} {at:?}");
    let [open, high, low, close] =
        ["open", "high", "low", "close"].map(|name| cents(&rows[0][name]));
    let volume = rows[0]["volume"].as_f64().unwrap() as i64;
    let trades = rows[0]["trade_count"].as_i64().unwrap();
    ((open, high, low, close, volume, trades), rows[0]["rsi_14"].as_f64().unwrap_or(f64::NAN))
}

fn told(folder: &Path) -> String {
    let mut text = Vec::new();
    story::tell(folder, &mut text).unwrap();
    String::from_utf8(text).unwrap().replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn the_tables_are_those_of_the_tape_corrected_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    told(folder.path());
    let tape = std::fs::read_to_string(folder.path().join("tape.csv")).unwrap();
    for symbol in ["TIDE", "WEIR"] {
        let bars = bars(&trades(&tape, symbol));
        let closes: Vec<i64> = bars.values().map(|bar| bar.3).collect();
        let wanted: Vec<_> = bars.into_iter().zip(rsi(&closes)).collect();
        assert_eq!(wanted.len(), 34, "the minutes from the open on");
        let sql = format!(
            "SELECT * FROM aggregated_data JOIN technical_indicators USING (symbol, width, ts_open) \
             WHERE symbol = '{symbol}' ORDER BY ts_open"
        );
        let rows = ask(&folder.path().join("store"), &sql, None);
        assert_eq!(rows.len(), wanted.len());
        for (row, ((minute, bar), rsi)) in rows.iter().zip(wanted) {
            assert_eq!(row["ts_open"].as_i64(), Some(minute * 60 * Time::SECOND));
            let [open, high, low, close] =
                ["open", "high", "low", "close"].map(|name| cents(&row[name]));
            let (volume, trades) = (row["volume"].as_f64().unwrap(), row["trade_count"].as_i64());
            let stored = (open, high, low, close, volume as i64, trades.unwrap());
            assert_eq!(stored, bar, "{symbol} {minute}");
            match (row["rsi_14"].as_f64(), rsi) {
                (Some(stored), Some(rsi)) => assert!((stored - rsi).abs() < 1e-9, "{stored} {rsi}"),
                (stored, rsi) => assert_eq!((stored, rsi), (None, None)),
            }
        }
    }
}

#[test]
fn what_was_known_between_is_told() {
    let folder = tempfile::tempdir().unwrap();
    told(folder.path());
    let store = folder.path().join("store");
    let known = |opens, at| known(&store, opens, at);
    // The slip was the last of 16 trades: the high, the close, 300 shares. What it leaves are these 15.
    let (with, without) =
        ((10151, 101350, 10151, 101350, 2579, 16), (10151, 10153, 10151, 10153, 2279, 15));
    let [before, after, now] =
        [Some("13:48:20"), Some("13:48:50"), None].map(|at| known("13:47", at));
    assert_eq!((before.0, after.0, now.0), (with, without, without));
    // The RSI is of the closes as they were known then.
    let tape = std::fs::read_to_string(folder.path().join("tape.csv")).unwrap();
    let bars = bars(&trades(&tape, "TIDE"));
    let open = Time::parse("2024-03-12T13:47:00Z").unwrap().ns() / (60 * Time::SECOND);
    let mut closes: Vec<i64> = bars.range(..=open).map(|(_, bar)| bar.3).collect();
    let newest = |closes: &[i64]| rsi(closes).pop().flatten().unwrap();
    assert!((after.1 - newest(&closes)).abs() < 1e-9, "{}", after.1);
    assert_eq!(closes.pop(), Some(10153));
    closes.push(101350);
    assert!((before.1 - newest(&closes)).abs() < 1e-9 && before.1 > 99.9, "{}", before.1);
    // A price: the high alone, and no RSI.
    let [before, after] = ["13:51:30", "13:51:50"].map(|at| known("13:50", Some(at)));
    assert_eq!((before.0.1, after.0.1, before.1), (10510, 10151, after.1));
    // A time: 500 shares go from one minute to the other.
    let [first, next] =
        ["13:52", "13:53"].map(|opens| ["13:54:20", "13:54:40"].map(|at| known(opens, Some(at)).0));
    assert_eq!((first[0].3, first[1].3, first[1].4 - first[0].4), (10144, 10147, 500));
    assert_eq!((next[0].0, next[1].0, next[1].4 - next[0].4), (10147, 10146, -500));
    // A late trade is the close of its minute.
    let late = ["13:55:40", "13:56:00"].map(|at| known("13:54", Some(at)).0);
    assert_eq!((late[0].3, late[1].3, late[1].4 - late[0].4), (10135, 10133, 400));
    // What was taken back before it came was never seen, and the average price moved nothing.
    assert!(known("13:56", Some("13:57:10")).0.1 < 10_200);
    assert!(known("13:49", Some("13:50:10")).0.2 > 10_000);
}

#[test]
fn refused_are_the_second_bust_and_that_of_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let text = told(folder.path());
    let mut reasons = Vec::new();
    let letters = Letters::open(&folder.path().join("store")).unwrap();
    letters
        .each(&Filter::default(), |letter| {
            reasons.push(letter.text("reason"));
            Ok(true)
        })
        .unwrap();
    assert_eq!(reasons, ["duplicate", "unmatched"]);
    assert_eq!(text.matches("the same, byte for byte").count(), VALUES.len());
    // A run behind another tells the same, and fits a terminal.
    assert_eq!(told(folder.path()), text);
    let wide = text.lines().filter(|line| !line.contains("FOLDER"));
    assert_eq!(wide.filter(|line| line.chars().count() > 80).collect::<Vec<_>>(), [""; 0]);
}
