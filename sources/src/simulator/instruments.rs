//! What is traded: the 12 instruments of the demo at sensible levels, then generated names.

use super::random::{Stream, unit};

/// An instrument's habits. Prices and sizes in raw units of nine digits.
#[derive(Clone, Debug)]
pub(super) struct Instrument {
    pub(super) name: String,
    pub(super) price: f64,
    /// Least step of its price.
    pub(super) tick: i64,
    /// Least step of its size.
    pub(super) lot: i64,
    /// Volatility of a year of 252 sessions of 6.5 hours.
    pub(super) volatility: f64,
    /// Answer to the market factor.
    pub(super) beta: f64,
    /// How much of the trades are its own.
    pub(super) weight: f64,
}

const UNIT: i64 = 1_000_000_000;

/// Name, price, tick in 1e-9, lot in units, volatility, beta, weight.
#[rustfmt::skip]
const DEMO: [(&str, f64, i64, i64, f64, f64, f64); 12] = [
    ("NQ",     16_830.00, 250_000_000,      1, 0.22, 1.20, 20.0),
    ("NVDA",      492.40,  10_000_000,     10, 0.48, 1.70, 18.0),
    ("AMD",       143.90,  10_000_000,     10, 0.50, 1.60, 14.0),
    ("WDC",        52.10,  10_000_000,     10, 0.38, 1.10,  5.0),
    ("SLV",        21.80,  10_000_000,    100, 0.26, 0.20,  6.0),
    ("GS",        385.50,  10_000_000,      5, 0.24, 1.00,  5.0),
    ("NET",        82.30,  10_000_000,     10, 0.55, 1.40,  5.0),
    ("EWJ",        63.90,  10_000_000,    100, 0.16, 0.60,  4.0),
    ("EURUSD",      1.0950,    10_000, 10_000, 0.07, 0.10, 12.0),
    ("INRJPY",      1.7050,   100_000, 10_000, 0.10, 0.05,  3.0),
    (".BRL",        4.9150,   100_000,  1_000, 0.15, 0.15,  4.0),
    (".GBP",        1.2700,    10_000,  1_000, 0.08, 0.10,  4.0),
];

/// The first `count` instruments of `seed`.
pub(super) fn instruments(count: u32, seed: u64) -> Vec<Instrument> {
    let draw = Stream::new(seed, 1);
    (0..count).map(|n| instrument(n, draw)).collect()
}

fn instrument(n: u32, draw: Stream) -> Instrument {
    if let Some(&(name, price, tick, lot, volatility, beta, weight)) = DEMO.get(n as usize) {
        let (name, lot) = (name.to_owned(), lot * UNIT);
        return Instrument { name, price, tick, lot, volatility, beta, weight };
    }
    let [level, vol, beta] = [0, 1, 2].map(|k| unit(draw.at(u64::from(n) * 4 + k)));
    // Levels from 4 to 400, as many in each octave.
    let price = (4.0 * libm::exp2(level * 6.64) * 100.0).round_ties_even() / 100.0;
    Instrument {
        name: name(n),
        price,
        tick: UNIT / 100,
        lot: if price < 20.0 { 100 * UNIT } else { 10 * UNIT },
        volatility: 0.15 + 0.5 * vol * vol,
        beta: 0.4 + 1.2 * beta,
        weight: 60.0 / (f64::from(n) + 20.0),
    }
}

/// AAAA, AAAB and so on, then five letters; never a name of the demo.
fn name(n: u32) -> String {
    const NVDA: u32 = ((13 * 26 + 21) * 26 + 3) * 26;
    const FOUR: u32 = 26 * 26 * 26 * 26;
    let n = n - DEMO.len() as u32;
    let n = if n < NVDA { n } else { n + 1 };
    let (letters, n) = if n < FOUR { (4, n) } else { (5, n - FOUR) };
    (0..letters).rev().map(|k| char::from(b'A' + (n / 26u32.pow(k) % 26) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct() {
        let all = instruments(500_000, 1);
        let names: HashSet<_> = all.iter().map(|instrument| &instrument.name).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!((all[12].name.as_str(), all[499_999].name.len()), ("AAAA", 5));
    }
}
