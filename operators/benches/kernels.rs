//! Nanoseconds an update of each kernel beside TA-Lib's streaming function on the same bars, in turns,
//! in one run; the cost of a state copy; and a bar of 4,000 symbols with 20 indicators each.
//!
//! `cargo bench -p tidemill-operators --bench kernels`; `scripts/bench` reads the lines that begin with
//! `figure`: name, reference, ratio, bound, detail. Ends with 1 when a kernel takes more than 1.5
//! times as long as TA-Lib's function.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use market::{Bar, Price, Scales, Time};
use operators::indicator::{Indicator, IndicatorLayout, IndicatorSet, Registry, Spec};
use operators::{Kernel, Snapshot};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use ta_lib::{Core, MAType};

/// Few enough that both sides' inputs stay in the first cache, as a bar in hand does.
const BARS: usize = 256;
/// Times a round goes over them.
const PASSES: usize = 16;
const WARM_UP: usize = 128;
const ROUNDS: usize = 61;
const SYMBOLS: usize = 4000;
const HOT: &str = "sma(20),ema(12),ema(26),rsi(14),macd(12,26,9),bb(20,2)";
const TWENTY: &str = "sma(20),sma(50),ema(12),ema(26),ema(20, of=volume),rsi(14),macd(12,26,9),\
    bb(20,2),atr(14),obv,vwap,vwap(session),hv(20),mom(10),roc(10),sma(10),ema(9),rsi(7),bb(50,2),sma(20, of=volume)";

/// A feed of TA-Lib: one update with bar `at`.
type Step<'a> = Box<dyn FnMut(usize) -> f64 + 'a>;

struct Data {
    bars: Vec<Bar>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
}

fn main() {
    let data = data();
    let registry = Registry::standard();
    println!("{:16} {:>10} {:>10} {:>6}", "kernel", "ns", "ta-lib ns", "ratio");
    let names = ["sma(20)", "ema(12)", "rsi(14)", "macd(12,26,9)", "bb(20,2)", "atr(14)", "obv"];
    let others = ["mom(10)", "roc(10)", "vwap(session)"];
    let slow: Vec<_> = names
        .into_iter()
        .chain(others)
        .filter(|name| {
            let spec = registry.parse(name).expect("valid");
            let (own, theirs) = compare(&spec, &data, ta(name, &data));
            println!("{name:16} {own:10.2} {theirs:10.2} {:6.2}", own / theirs);
            let ratio = own / theirs;
            println!("figure\t{name}\tta-lib\t{ratio:.3}\t1.5\t{own:.2} ns, {theirs:.2} ns");
            own > 1.5 * theirs
        })
        .collect();
    for name in ["hv(20)", "vwap", "sma(20, of=hl2)", "bb(20,2, of=volume)"] {
        let spec = registry.parse(name).expect("valid");
        println!(
            "{name:16} {:10.2}",
            median(|| {
                let (own, mut state) = started(&spec);
                steps(&*own, &mut state, &data, spec.outputs().len())
            })
        );
    }
    hot_set(&registry, &data);
    cross_section(&registry, &data);
    if !slow.is_empty() {
        println!("more than 1.5 times as long as ta-lib: {}", slow.join(", "));
        std::process::exit(1);
    }
}

fn data() -> Data {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: i64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as i64
    };
    let mut close = 490_150_000_000i64;
    let bars: Vec<_> = (0..BARS as i64)
        .map(|at| {
            let open = close;
            close += (next(2001) - 1000) * 1_000_000;
            let (high, low) =
                (open.max(close) + next(500) * 1_000_000, open.min(close) - next(500) * 1_000_000);
            let volume = i128::from(1 + next(50_000)) * 1_000_000_000;
            Bar {
                ts_open: Time::from_ns(at * 60_000_000_000),
                open: Price::from_raw(open),
                high: Price::from_raw(high),
                low: Price::from_raw(low),
                close: Price::from_raw(close),
                trade_count: 812,
                volume,
                notional: volume * i128::from(close),
            }
        })
        .collect();
    let column =
        |price: fn(&Bar) -> Price| bars.iter().map(|bar| price(bar).raw() as f64 / 1e9).collect();
    Data {
        high: column(|bar| bar.high),
        low: column(|bar| bar.low),
        close: column(|bar| bar.close),
        volume: bars.iter().map(|bar| bar.volume as f64 / 1e9).collect(),
        bars,
    }
}

/// TA-Lib's stream of the same name, warmed up on the first bars.
fn ta<'a>(name: &str, data: &'a Data) -> Step<'a> {
    let core = Core::new();
    let (close, past) = (&data.close, &data.close[..WARM_UP]);
    let (high, low, volume) = (&data.high, &data.low, &data.volume);
    let (past_high, past_low, past_volume) =
        (&high[..WARM_UP], &low[..WARM_UP], &volume[..WARM_UP]);
    match name {
        "sma(20)" => {
            let mut stream = core.sma_open(past, 20).expect("enough bars").0;
            Box::new(move |at| stream.update(close[at]).unwrap_or(f64::NAN))
        }
        "ema(12)" => {
            let mut stream = core.ema_open(past, 12).expect("enough bars").0;
            Box::new(move |at| stream.update(close[at]).unwrap_or(f64::NAN))
        }
        "rsi(14)" => {
            let mut stream = core.rsi_open(past, 14).expect("enough bars").0;
            Box::new(move |at| stream.update(close[at]).unwrap_or(f64::NAN))
        }
        "macd(12,26,9)" => {
            let mut stream = core.macd_open(past, 12, 26, 9).expect("enough bars").0;
            Box::new(move |at| {
                stream.update(close[at]).map_or(f64::NAN, |row| row.0 + row.1 + row.2)
            })
        }
        "bb(20,2)" => {
            let mut stream =
                core.bbands_open(past, 20, 2.0, 2.0, MAType::SMA).expect("enough bars").0;
            Box::new(move |at| {
                stream.update(close[at]).map_or(f64::NAN, |row| row.0 + row.1 + row.2)
            })
        }
        "atr(14)" => {
            let mut stream = core.atr_open(past_high, past_low, past, 14).expect("enough bars").0;
            Box::new(move |at| stream.update(high[at], low[at], close[at]).unwrap_or(f64::NAN))
        }
        "obv" => {
            let mut stream = core.obv_open(past, past_volume).expect("enough bars").0;
            Box::new(move |at| stream.update(close[at], volume[at]).unwrap_or(f64::NAN))
        }
        "mom(10)" => {
            let mut stream = core.mom_open(past, 10).expect("enough bars").0;
            Box::new(move |at| stream.update(close[at]).unwrap_or(f64::NAN))
        }
        "roc(10)" => {
            let mut stream = core.roc_open(past, 10).expect("enough bars").0;
            Box::new(move |at| stream.update(close[at]).unwrap_or(f64::NAN))
        }
        _ => {
            let mut stream =
                core.vwap_open(past_high, past_low, past, past_volume).expect("enough bars").0;
            Box::new(move |at| {
                stream.update(high[at], low[at], close[at], volume[at]).unwrap_or(f64::NAN)
            })
        }
    }
}

/// Medians of both, their rounds in turns. Both are called through a pointer, as a set calls them.
fn compare(spec: &Spec, data: &Data, mut theirs: Step<'_>) -> (f64, f64) {
    let (own, mut state) = started(spec);
    let outputs = spec.outputs().len();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(steps(&*own, &mut state, data, outputs));
        times[1].push(elapsed(|| {
            (0..BARS).for_each(|at| {
                black_box(theirs(at));
            })
        }));
    }
    let [own, theirs] = times.map(middle);
    (own, theirs)
}

/// An indicator and its state before the first bar.
fn started(spec: &Spec) -> (Box<dyn Indicator>, Vec<u64>) {
    let own = spec.build(Scales::default());
    let mut state = vec![0; own.words()];
    own.start(&mut state);
    (own, state)
}

fn steps(own: &dyn Indicator, state: &mut [u64], data: &Data, outputs: usize) -> f64 {
    let mut row = vec![0.0; outputs];
    elapsed(|| {
        for bar in &data.bars {
            own.update(state, bar, &mut row);
            black_box(&row);
        }
    })
}

/// Nanoseconds for each bar of `work`, which goes over them once.
fn elapsed(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..PASSES).for_each(|_| work());
    start.elapsed().as_nanos() as f64 / (BARS * PASSES) as f64
}

fn median(mut round: impl FnMut() -> f64) -> f64 {
    middle((0..ROUNDS).map(|_| round()).collect())
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn hot_set(registry: &Registry, data: &Data) {
    let specs = registry.parse_list(HOT).expect("valid");
    let mut set = IndicatorSet::new(&specs, Scales::default());
    let mut row = vec![0.0; set.outputs()];
    let update = median(|| {
        elapsed(|| {
            for bar in &data.bars {
                set.update(bar, &mut row);
                black_box(&row);
            }
        })
    });
    let mut words = Snapshot::default();
    let copy = median(|| {
        elapsed(|| {
            for _ in 0..BARS {
                words.clear();
                set.snapshot(&mut words);
                black_box(&words);
            }
        })
    });
    let size = words.words().len();
    let back = median(|| elapsed(|| (0..BARS).for_each(|_| set.restore(&mut words.reader()))));
    println!(
        "set of 6: update {update:.1} ns, snapshot {copy:.1} ns ({size} words), restore {back:.1} ns"
    );
}

fn cross_section(registry: &Registry, data: &Data) {
    let specs = registry.parse_list(TWENTY).expect("valid");
    assert_eq!(specs.len(), 20);
    let layout = Arc::new(IndicatorLayout::new(&specs, Scales::default()));
    let mut sets: Vec<_> = (0..SYMBOLS).map(|_| IndicatorSet::of(layout.clone())).collect();
    let stride = sets[0].outputs();
    let mut rows = vec![0.0; SYMBOLS * stride];
    let mut words = Snapshot::default();
    let mut at = 0;
    let mut bar_of_all = |copies: bool| {
        at = (at + 1) % BARS;
        let start = Instant::now();
        words.clear();
        for (symbol, (set, row)) in sets.iter_mut().zip(rows.chunks_exact_mut(stride)).enumerate() {
            if copies {
                set.snapshot(&mut words);
            }
            set.update(&data.bars[(at + symbol) % BARS], row);
        }
        black_box(&rows);
        start.elapsed().as_secs_f64() * 1e3
    };
    for copies in [false, true] {
        (0..100).for_each(|_| {
            bar_of_all(copies);
        });
        let mut times: Vec<_> = (0..400).map(|_| bar_of_all(copies)).collect();
        times.sort_by(f64::total_cmp);
        let with = if copies { "with a state copy each" } else { "updates alone" };
        println!(
            "{SYMBOLS} symbols x 20, {with}: median {:.2} ms, worst {:.2} ms",
            times[200], times[399]
        );
    }
}
