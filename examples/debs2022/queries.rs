//! Both queries of the DEBS 2022 Grand Challenge as one indicator of one's own.
//!
//! Query 1: for each symbol and 5-minute window with a trade, from its last price,
//!
//! ```text
//! EMA_j = close * 2/(1+j) + EMA_j of the window before * (1 - 2/(1+j)),   j = 38 and 100, 0 at first
//! ```
//!
//! Query 2: where EMA_38 crosses above EMA_100 advise to buy, where it crosses below, to sell. A window
//! without a trade is no step. A late trade revises its window and every one after it, advice included.

use market::{Bar, Body, Rows, Scales, Sink, SinkError, Time};
use operators::indicator::{Definition, Indicator, Registry, Spec, state};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Windows and the indicator; sources are added to it.
pub const CONFIG: &str = "[[bars]]\nwidths = [\"5min\"]\n[[indicators]]\nlist = [\"debs2022\"]\n";

/// Trades of the challenge's files: rows with a last price. Days are those of the row, as index rows
/// leave `Trading date` empty. Times are of Berlin; sizes are not used.
pub const COLUMNS: &str = "ts_event=Date+Trading time:\"%d-%m-%Y %H:%M:%S%.f\":Europe/Berlin, \
    symbol=ID, price=Last, size='1'";

/// Which rows are trades.
pub const WHERE: &str = "Last != ''";

const FAST: f64 = 2.0 / 39.0;
const SLOW: f64 = 2.0 / 101.0;

/// The indicator; its state is the two averages.
pub struct Crossovers {
    unit: f64,
}

impl Crossovers {
    /// Of prices with `scales`.
    pub fn new(scales: Scales) -> Self {
        Crossovers { unit: scales.price.unit() as f64 }
    }
}

impl Indicator for Crossovers {
    fn words(&self) -> usize {
        2
    }

    fn update(&self, words: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let words = state::fixed::<2>(words);
        let close = bar.close.raw() as f64 / self.unit;
        let [fast_before, slow_before] = words.map(f64::from_bits);
        let fast = close * FAST + fast_before * (1.0 - FAST);
        let slow = close * SLOW + slow_before * (1.0 - SLOW);
        let buys = fast > slow && fast_before <= slow_before;
        let sells = fast < slow && fast_before >= slow_before;
        *words = [fast, slow].map(f64::to_bits);
        output[0] = fast;
        output[1] = slow;
        output[2] = f64::from(buys) - f64::from(sells);
    }
}

/// The standard indicators and this one.
pub fn registry() -> Registry {
    let mut registry = Registry::standard();
    registry.register(Definition::named("debs2022"), |arguments| {
        Ok(Spec::new(arguments, &["ema_38", "ema_100", "advice"], Crossovers::new))
    });
    registry
}

/// The answer for one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Query 1, period 38.
    pub ema_38: f64,
    /// Query 1, period 100.
    pub ema_100: f64,
    /// Query 2: 1 buy, -1 sell, 0 neither.
    pub advice: f64,
}

/// A sink that keeps the newest answer by symbol and start of the window.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<BTreeMap<(String, Time), Answer>>>);

impl Answers {
    /// The answers so far.
    pub fn all(&self) -> BTreeMap<(String, Time), Answer> {
        self.0.lock().expect("no holder of this lock panics").clone()
    }
}

impl Sink for Answers {
    fn name(&self) -> &str {
        "debs2022"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let Body::Floats { stride: 3, values } = &rows.body else { return Ok(()) };
        let mut answers = self.0.lock().expect("no holder of this lock panics");
        for (key, row) in rows.keys.iter().zip(values.chunks_exact(3)) {
            let answer = Answer { ema_38: row[0], ema_100: row[1], advice: row[2] };
            answers.insert((rows.symbols.text(key.symbol).to_string(), key.ts_open), answer);
        }
        Ok(())
    }
}
