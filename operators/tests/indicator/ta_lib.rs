//! Every indicator equals the `ta-lib` crate: bit for bit where the recursion is the same, else within
//! 1e-9 relative, from its first value on, NaN before. Those that TA-Lib does not have are compared
//! with a plain computation over the whole series.

use crate::bars::{self, SCALES, Series, alone, real, walks};
use market::{Bar, Price};
use operators::indicator::{Registry, Spec};
use operators::laws;
use proptest::prelude::*;
use std::collections::BTreeSet;
use ta_lib::{Core, MAType, OutRange};

/// How closely a column must agree.
#[derive(Clone, Copy, Debug)]
enum Close {
    /// The same bits.
    Bits,
    /// Within 1e-9 of the value itself.
    Relative,
    /// Within 1e-9 of the given magnitude: sums that cancel have no digits of their own.
    Of(f64),
}

/// What a column should be: a value a bar, NaN while warming up.
type Column = (Vec<f64>, Close);

struct Doubles {
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
}

impl Doubles {
    fn of(bars: &[Bar]) -> Self {
        let column = |price: fn(&Bar) -> Price| {
            bars.iter().map(|bar| price(bar).raw() as f64 / 1e9).collect::<Vec<_>>()
        };
        Doubles {
            open: column(|bar| bar.open),
            high: column(|bar| bar.high),
            low: column(|bar| bar.low),
            close: column(|bar| bar.close),
            volume: bars.iter().map(|bar| bar.volume as f64 / 1e9).collect(),
        }
    }

    fn field(&self, name: &str) -> Vec<f64> {
        let mean = |columns: &[&Vec<f64>]| {
            let sum = |at: usize| columns.iter().map(|column| column[at]).sum::<f64>();
            (0..self.close.len()).map(|at| sum(at) / columns.len() as f64).collect()
        };
        match name {
            "open" => self.open.clone(),
            "high" => self.high.clone(),
            "low" => self.low.clone(),
            "volume" => self.volume.clone(),
            "hl2" => mean(&[&self.high, &self.low]),
            "hlc3" => mean(&[&self.high, &self.low, &self.close]),
            _ => self.close.clone(),
        }
    }
}

/// One column from a function of TA-Lib over all of `length` bars.
fn from_ta(
    length: usize,
    call: impl FnOnce(&mut [f64]) -> Result<OutRange, ta_lib::RetCode>,
) -> Vec<f64> {
    let mut out = vec![0.0; length];
    let range = call(&mut out).expect("valid parameters");
    aligned(length, &out, range)
}

fn aligned(length: usize, out: &[f64], range: OutRange) -> Vec<f64> {
    let mut column = vec![f64::NAN; length];
    column[range.beg_idx..][..range.count].copy_from_slice(&out[..range.count]);
    column
}

/// `name(parameters...)` and its field, read from a canonical text.
fn parts(spec: &Spec) -> (String, Vec<f64>, String) {
    let text = spec.to_string();
    let (text, field) = match text.trim_end_matches(')').split_once(", of=") {
        Some((head, field)) => (head.to_owned(), field.to_owned()),
        None => (text.trim_end_matches(')').to_owned(), "close".to_owned()),
    };
    let (name, list) = text.split_once('(').unwrap_or((&text, ""));
    let numbers = list.split(',').filter_map(|number| number.parse().ok()).collect();
    (if list == "session" { text.clone() } else { name.to_owned() }, numbers, field)
}

/// What the columns of `spec` over `bars` should be.
fn expected(spec: &Spec, bars: &[Bar]) -> Vec<Column> {
    let (name, numbers, field) = parts(spec);
    let data = Doubles::of(bars);
    let x = data.field(&field);
    let (core, last) = (Core::new(), bars.len() - 1);
    let period = numbers.first().copied().unwrap_or_default();
    let n = period as i32;
    // A mean of two or three is one rounding in doubles and none in whole numbers.
    let bits = if matches!(field.as_str(), "hl2" | "hlc3") {
        Close::Of(x.iter().fold(0.0, |most: f64, x| most.max(x.abs())))
    } else {
        Close::Bits
    };
    let level = Close::Of(x.iter().fold(0.0, |most: f64, x| most.max(x.abs())));
    match name.as_str() {
        "sma" => vec![(
            from_ta(x.len(), |out| core.sma(0, last, &x, n, out)),
            match field.as_str() {
                "volume" => level,
                _ => Close::Relative,
            },
        )],
        "ema" => vec![(from_ta(x.len(), |out| core.ema(0, last, &x, n, out)), bits)],
        "rsi" => vec![(from_ta(x.len(), |out| core.rsi(0, last, &x, n, out)), bits)],
        "macd" => macd(&core, &x, &numbers, bits),
        "bb" => bands(&core, &x, &numbers, level),
        "atr" => {
            let call =
                |out: &mut [f64]| core.atr(0, last, &data.high, &data.low, &data.close, n, out);
            vec![(from_ta(x.len(), call), Close::Bits)]
        }
        "obv" => {
            let total = Close::Of(data.volume.iter().sum());
            vec![(from_ta(x.len(), |out| core.obv(0, last, &x, &data.volume, out)), total)]
        }
        "mom" => vec![(from_ta(x.len(), |out| core.mom(0, last, &x, n, out)), bits)],
        "roc" => vec![(from_ta(x.len(), |out| core.roc(0, last, &x, n, out)), bits)],
        "vwap" => vec![(bars.iter().map(|bar| bar.vwap(SCALES)).collect(), Close::Relative)],
        "vwap(session" => vec![(session_vwap(bars), Close::Relative)],
        "hv" => vec![(volatility(bars, period as usize, numbers[1]), Close::Relative)],
        other => panic!("{other} has no oracle"),
    }
}

fn macd(core: &Core, x: &[f64], numbers: &[f64], close: Close) -> Vec<Column> {
    let [mut line, mut signal, mut hist] = [(); 3].map(|()| vec![0.0; x.len()]);
    let [fast, slow, smooth] = [numbers[0] as i32, numbers[1] as i32, numbers[2] as i32];
    let range = core
        .macd(0, x.len() - 1, x, fast, slow, smooth, &mut line, &mut signal, &mut hist)
        .expect("valid parameters");
    [line, signal, hist].map(|column| (aligned(x.len(), &column, range), close)).into()
}

fn bands(core: &Core, x: &[f64], numbers: &[f64], close: Close) -> Vec<Column> {
    let [mut upper, mut middle, mut lower] = [(); 3].map(|()| vec![0.0; x.len()]);
    let (n, d) = (numbers[0] as i32, numbers[1]);
    let range = core
        .bbands(0, x.len() - 1, x, n, d, d, MAType::SMA, &mut upper, &mut middle, &mut lower)
        .expect("valid parameters");
    [upper, middle, lower].map(|column| (aligned(x.len(), &column, range), close)).into()
}

/// Day by day, from the start of each day.
fn session_vwap(bars: &[Bar]) -> Vec<f64> {
    let from =
        |at: usize| (0..=at).filter(move |&k| bars[k].ts_open.day() == bars[at].ts_open.day());
    let sums = |at| {
        let (notional, volume): (Vec<_>, Vec<_>) =
            from(at).map(|k| (bars[k].notional, bars[k].volume)).unzip();
        (notional.iter().sum::<i128>() as f64, volume.iter().sum::<i128>() as f64)
    };
    (0..bars.len()).map(sums).map(|(notional, volume)| notional / volume / 1e9).collect()
}

/// Two passes over each window, from differences of whole numbers.
#[expect(clippy::disallowed_methods, reason = "an oracle is better for another logarithm")]
fn volatility(bars: &[Bar], n: usize, per_year: f64) -> Vec<f64> {
    let x: Vec<_> = bars.iter().map(|bar| bar.close.raw() as f64).collect();
    let returns: Vec<_> =
        x.windows(2).map(|pair| ((pair[1] - pair[0]) / pair[0]).ln_1p()).collect();
    let mut column = vec![f64::NAN; x.len()];
    for (at, window) in returns.windows(n).enumerate() {
        let mean = window.iter().sum::<f64>() / n as f64;
        let squares = window.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>();
        column[at + n] = (squares / (n as f64 - 1.0)).sqrt() * per_year.sqrt();
    }
    column
}

fn agrees(spec: &Spec, bars: &[Bar]) -> Result<(), String> {
    let outputs = spec.outputs();
    let rows = laws::run(&mut alone(spec), bars, outputs.len());
    let columns = expected(spec, bars);
    assert_eq!(columns.len(), outputs.len(), "{spec}");
    for (at, row) in rows.chunks_exact(outputs.len()).enumerate() {
        for ((output, &got), (column, close)) in outputs.iter().zip(row).zip(&columns) {
            let want = column[at];
            let near = match close {
                _ if want.is_nan() || got.is_nan() => want.is_nan() && got.is_nan(),
                Close::Bits => got.to_bits() == want.to_bits(),
                Close::Relative => (got - want).abs() <= 1e-9 * want.abs(),
                Close::Of(level) => (got - want).abs() <= 1e-9 * level.abs(),
            };
            if !near {
                return Err(format!("{output} at bar {at}: {got:e}, wanted {want:e} ({close:?})"));
            }
        }
    }
    Ok(())
}

/// One text for each indicator that is registered, with short and long periods and other fields.
fn texts() -> Vec<&'static str> {
    vec![
        "sma(20)",
        "sma(1)",
        "sma(200)",
        "sma(20, of=hl2)",
        "sma(9, of=hlc3)",
        "sma(20, of=open)",
        "ema(12)",
        "ema(26)",
        "ema(1)",
        "ema(2)",
        "ema(20, of=high)",
        "ema(9, of=hlc3)",
        "rsi(14)",
        "rsi(2)",
        "rsi(9, of=low)",
        "macd(12,26,9)",
        "macd(5,35,5)",
        "macd(2,3,1)",
        "bb(20,2)",
        "bb(20,2.5)",
        "bb(5,1, of=hl2)",
        "bb(2,2)",
        "atr(14)",
        "atr(1)",
        "obv",
        "vwap",
        "vwap(session)",
        "hv(20)",
        "hv(2,365)",
        "mom(10)",
        "mom(1)",
        "roc(10)",
        "roc(1)",
    ]
}

#[test]
fn every_registered_indicator_is_compared() {
    let named: BTreeSet<_> = texts().iter().map(|text| text.split('(').next().unwrap()).collect();
    let registry = Registry::standard();
    assert!(registry.definitions().all(|known| named.contains(known.name)));
}

#[test]
fn real_series_agree() {
    let registry = Registry::standard();
    for Series { name, bars } in real() {
        for text in texts() {
            let spec = registry.parse(text).unwrap();
            agrees(&spec, &bars).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn real_volumes_agree() {
    let registry = Registry::standard();
    for Series { name, bars } in real().into_iter().take(4) {
        for text in ["sma(20, of=volume)", "ema(20, of=volume)", "bb(20,2, of=volume)"] {
            let spec = registry.parse(text).unwrap();
            agrees(&spec, &bars).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

proptest! {
    #[test]
    fn random_walks_agree(bars in walks(), period in 2u32..70, fast in 2u32..20, more in 1u32..30) {
        let registry = Registry::standard();
        let slow = fast + more;
        let texts = ["sma", "ema", "rsi", "bb", "atr", "hv", "mom", "roc"].map(|name| format!("{name}({period})"));
        let others = [format!("macd({fast},{slow},{})", period / 4 + 1), "obv".into(), "vwap".into(), "vwap(session)".into()];
        for text in texts.into_iter().chain(others) {
            let spec = registry.parse(&text).unwrap();
            agrees(&spec, &bars).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn flat_series_agree(raw in 1i64..1 << 52, length in 1usize..120, period in 2u32..40) {
        let bars: Vec<_> = (0..length).map(|at| bars::bar(at, [raw; 4], 1_000_000_000)).collect();
        let registry = Registry::standard();
        for name in ["sma", "ema", "rsi", "bb", "atr", "hv", "mom", "roc"] {
            let spec = registry.parse(&format!("{name}({period})")).unwrap();
            agrees(&spec, &bars).map_err(TestCaseError::fail)?;
        }
    }
}

/// Bars that close at each of `closes`, in raw units, nothing else.
fn closes(closes: &[i64]) -> Vec<Bar> {
    closes.iter().enumerate().map(|(at, &raw)| bars::bar(at, [raw; 4], 1)).collect()
}

#[test]
fn prices_through_zero_agree() {
    let bars = closes(&[5, 0, -3, 0, 0, 7, -7, 2, 0, 1, 4, -1].map(|price| price * 1_000_000_000));
    let registry = Registry::standard();
    for text in ["roc(1)", "roc(3)", "mom(2)", "ema(3)", "rsi(2)", "macd(2,3,2)", "atr(2)", "obv"] {
        agrees(&registry.parse(text).unwrap(), &bars).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn volatility_is_undefined_while_a_return_is() {
    let spec = Registry::standard().parse("hv(2)").unwrap();
    let values = laws::run(&mut alone(&spec), &closes(&[4, 5, 6, 0, 7, 8, 9, 9]), 1);
    let defined: Vec<_> = values.iter().map(|value| !value.is_nan()).collect();
    assert_eq!(defined, [false, false, true, false, false, false, true, true]);
}

#[test]
fn a_bar_without_trades_repeats_the_session_and_has_no_vwap_of_its_own() {
    let mut bars = closes(&[8, 9]);
    bars.insert(1, Bar::carried(bars[0].ts_open, bars[0].close));
    let run = |text: &str| {
        let spec = Registry::standard().parse(text).unwrap();
        laws::run(&mut alone(&spec), &bars, 1).iter().map(|x| x * 1e9).collect::<Vec<_>>()
    };
    assert_eq!(run("vwap(session)"), [8.0, 8.0, 8.5]);
    assert_eq!(run("sma(1, of=vwap)"), [8.0, 8.0, 9.0]);
    assert!(run("vwap")[1].is_nan());
    bars.remove(0);
    let spec = Registry::standard().parse("vwap(session)").unwrap();
    assert!(laws::run(&mut alone(&spec), &bars, 1)[0].is_nan());
}
