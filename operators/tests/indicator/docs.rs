//! `docs/indicators.md` says what the registry knows. `UPDATE_EXPECT=1` writes it anew.

use operators::indicator::{Field, Period, Registry, SPECS_MAX};
use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/indicators.md");

const HEAD: &str = "\
# Indicators

Made from `operators/src/indicator/standard.rs` by `UPDATE_EXPECT=1 cargo test -p tidemill-operators docs`.

An indicator is written `name(parameter, ..., of=field)`; parameters go by position or by name, and those
that are omitted take the values shown. Columns are named after the indicator and all its parameters
(`sma_20`, `ema_20_volume`, `bb_upper_20_2p5`), also those that were omitted.
";

const TAIL: &str = "
## What users of TA-Lib should know

- The oracle is the `ta-lib` crate 0.8.3. EMA, RSI, MACD, ATR, momentum and rate of change have its bits;
  SMA, Bollinger bands and OBV are computed from whole sums and agree within 1e-9.
- The RSI of a flat series is 50. The PyPI package `TA-Lib`, the C library, gives 0.
- `macd(fast, slow, signal)` wants fast to be shorter than slow; TA-Lib swaps them without a word.
- `vwap` is the sum of price times size over the sum of sizes, from the trades themselves. TA-Lib's VWAP
  takes the typical price of each bar instead and has no session.
- `hv` is the sample standard deviation (ddof 1) of log returns. It is NULL while a return in its window has
  no logarithm, because a value was 0 or less.
- `vwap` as a field is rounded to the nearest raw unit of price, halves up; a bar without trades has its close.
- A carried bar (nothing traded) is a bar like any other: its four prices are the last close, its volume is 0.
";

fn text() -> String {
    let mut text = HEAD.to_owned();
    let fields = Field::ALL.map(|field| format!("`{field}`")).join(", ");
    let limits = format!("Periods go up to {}, a list up to {SPECS_MAX} indicators.", Period::MAX);
    write!(text, "\nFields: {fields}. {limits}\n\n").expect("text grows");
    text +=
        "| written | formula | first value at bar | cost of a step; state |\n|---|---|---|---|\n";
    for known in Registry::standard().definitions() {
        let written = known.written.replace(", vwap", "`, `vwap");
        let formula = known.formula.replace('|', "\\|");
        writeln!(text, "| `{written}` | {formula} | {} | {} |", known.warm_up, known.cost)
            .expect("text grows");
    }
    text + TAIL
}

#[test]
fn the_documentation_is_that_of_the_registry() {
    let wanted = text();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(PATH, &wanted).unwrap_or_else(|error| panic!("{PATH}: {error}"));
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_else(|error| panic!("{PATH}: {error}"));
    assert!(
        found == wanted,
        "docs/indicators.md is not what the registry says: run with UPDATE_EXPECT=1"
    );
}
