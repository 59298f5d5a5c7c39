//! W1 in memory: the engine beside the loop one would write by hand, CPU time as a ratio.
//!
//! `cargo bench --bench w1 [-- TRADES]`. Every round runs all variants one after the other, so that a
//! slow moment of the machine meets them all; medians of the rounds are printed.

mod data;
mod plain;

use dataflows::{
    Cluster, Empty, Horizons, IndicatorPlan, MakeJudge, Opener, Outcome, Plan, PoolPlan, Watch,
};
use market::{EpochLength, Symbols, Time, Trades};
use operators::indicator::{Registry, Spec};
use rustix::time::{ClockId, clock_gettime};
use sources::{AdmissionConfig, AdmittedPartition, SymbolJudge};
use std::hint::black_box;
use std::sync::Arc;

const SYMBOLS: usize = 1_000;
const ROUNDS: usize = 5;
const STARTED_AT: i64 = 1_800_000_000 * Time::SECOND;

fn cpu_ns() -> i64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec * Time::SECOND + now.tv_nsec
}

/// A function that is timed, and its CPU times so far.
struct Variant<'a> {
    name: &'static str,
    prepare: Box<dyn Fn() -> Box<dyn FnOnce() -> String + 'a> + 'a>,
    times: Vec<i64>,
    said: String,
}

impl Variant<'_> {
    fn run(&mut self) {
        let work = (self.prepare)();
        let before = cpu_ns();
        self.said = black_box(work());
        self.times.push(cpu_ns() - before);
        data::give_back();
    }

    fn median(&self) -> i64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

fn specs() -> Vec<Spec> {
    let list = "sma(20),ema(12),ema(26),rsi(14),macd(12,26,9),bb(20,2)";
    Registry::standard().parse_list(list).expect("a list of known indicators")
}

fn plan(symbols: &Symbols, specs: &[Spec]) -> Plan {
    let minute = "1min".parse().expect("a width");
    let indicators = match specs {
        [] => vec![],
        list => vec![IndicatorPlan { widths: vec![minute], list: list.to_vec() }],
    };
    Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: data::LATENESS_NS,
        horizons: Horizons::all(900 * Time::SECOND),
        course: dataflows::Course::default(),
        pools: Vec::new(),
        widths: vec![minute],
        empty: Empty::Skip,
        indicators,
        symbols: symbols.clone(),
    }
}

fn config() -> AdmissionConfig {
    let mut config = AdmissionConfig::new(Time::from_ns(STARTED_AT));
    config.bar_ns = 60 * Time::SECOND;
    config.outliers =
        sources::OutlierRule::new(sources::OutlierMode::Off, 12.0, 5).expect("a rule");
    config
}

fn engine(
    (logs, is_pooled): (Vec<Vec<Trades>>, bool),
    symbols: Symbols,
    specs: Vec<Spec>,
    workers: usize,
) -> Outcome {
    let config = AdmissionConfig { is_pooled, ..config() };
    let opened = config.clone();
    let open = |(number, log): (usize, Vec<Trades>)| {
        let feed = data::KeptFeed::new(log);
        let (symbols, config) = (symbols.clone(), opened.clone());
        Box::new(move |_| {
            let length = EpochLength::SECOND;
            let partition =
                AdmittedPartition::new(Box::new(feed), config, length, symbols, number as u32);
            let partition = partition.in_pool(is_pooled.then_some(0));
            Ok(Box::new(partition) as Box<dyn market::Partition>)
        }) as Opener
    };
    let partitions: Vec<Opener> = logs.into_iter().enumerate().map(open).collect();
    let mut plan = plan(&symbols, &specs);
    let judge: MakeJudge = Arc::new(move || {
        Box::new(SymbolJudge::new(config.clone(), EpochLength::SECOND, symbols.clone()))
    });
    let pool = PoolPlan { horizon_ns: plan.horizons.greatest_ns(), behind: None, judge };
    plan.pools = is_pooled.then_some(pool).into_iter().collect();
    let outcome =
        dataflows::run(plan, Cluster::local(workers), partitions, vec![], Watch::default(), None);
    outcome.expect("the run ends well")
}

/// The log split into so many: by symbol, or one trade to each in turn.
fn split(batches: &[Trades], parts: usize, by_symbol: bool) -> Vec<Vec<Trades>> {
    let mut split = vec![vec![Trades::default()]; parts];
    for batch in batches {
        for row in 0..batch.len() {
            let at = if by_symbol { batch.symbol[row].index() } else { row };
            let part = &mut split[at % parts];
            if part.last().is_some_and(|batch| batch.len() >= data::BATCH_ROWS) {
                part.push(Trades::default());
            }
            let to = part.last_mut().expect("a batch is there");
            to.ts_event.push(batch.ts_event[row]);
            to.symbol.push(batch.symbol[row]);
            to.price.push(batch.price[row]);
            to.size.push(batch.size[row]);
            to.offset.push(batch.offset[row]);
        }
    }
    split
}

fn main() {
    let argument = std::env::args().skip(1).find_map(|text| text.parse().ok());
    let count: usize = argument.unwrap_or(10_000_000);
    let symbols = Symbols::default();
    let batches = data::trades(count, SYMBOLS, &symbols);
    let halves = split(&batches, 2, true);
    let dealt = split(&batches, 4, false);
    let specs = specs();
    let engine_of = |logs: &[Vec<Trades>], specs: &[Spec], workers: usize| {
        // What is dealt out in turn is pooled again.
        let logs = (logs.to_vec(), logs.len() > 2);
        let (specs, symbols) = (specs.to_vec(), symbols.clone());
        Box::new(move || {
            let outcome = engine(logs, symbols, specs, workers);
            let tables =
                outcome.tables.iter().map(|t| format!("{} +{} revised", t.rows(), t.revised));
            format!("{} late; rows {}", outcome.counts.late, tables.collect::<Vec<_>>().join(", "))
        }) as Box<dyn FnOnce() -> String>
    };
    let one = vec![batches.clone()];
    let loop_of = |specs: &[Spec]| {
        let specs = specs.to_vec();
        let batches = &batches;
        Box::new(move || format!("{:?}", plain::run(batches, SYMBOLS, STARTED_AT, &specs)))
            as Box<dyn FnOnce() -> String + '_>
    };
    let variant = |name, prepare| Variant { name, prepare, times: Vec::new(), said: String::new() };
    let mut variants = [
        variant("loop, bars", Box::new(|| loop_of(&[]))),
        variant("loop, bars and indicators", Box::new(|| loop_of(&specs))),
        variant("engine, bars, 1 worker", Box::new(|| engine_of(&one, &[], 1))),
        variant("engine, W1, 1 worker", Box::new(|| engine_of(&one, &specs, 1))),
        variant("engine, bars, 2 workers", Box::new(|| engine_of(&halves, &[], 2))),
        variant("engine, W1, 2 workers", Box::new(|| engine_of(&halves, &specs, 2))),
        variant("engine, W1, repartition, 1 worker", Box::new(|| engine_of(&dealt, &specs, 1))),
        variant("engine, W1, repartition, 2 workers", Box::new(|| engine_of(&dealt, &specs, 2))),
    ];
    if let Ok(only) = std::env::var("ONLY") {
        for name in only.split(';') {
            let v = variants.iter_mut().find(|v| v.name == name).expect("a variant");
            for _ in 0..ROUNDS {
                v.run();
            }
            let min = v.times.iter().min().unwrap();
            println!(
                "{} {:.2} min {:.2}",
                v.name,
                v.median() as f64 / count as f64,
                *min as f64 / count as f64
            );
        }
        return;
    }
    for _ in 0..ROUNDS {
        variants.iter_mut().for_each(Variant::run);
    }
    print(&variants, count);
}

/// A table of nanoseconds a trade, then the figures: a ratio with its reference and its bound, if any.
fn print(variants: &[Variant<'_>], count: usize) {
    let (bars, all) = (variants[0].median(), variants[1].median());
    println!("{count} trades, {SYMBOLS} symbols, median of {ROUNDS} rounds, CPU time");
    println!("{:<36} {:>9} {:>11} {:>13}", "", "ns/trade", "x the loop", "x with indic.");
    for variant in variants {
        let median = variant.median() as f64;
        println!(
            "{:<36} {:>9.2} {:>11.2} {:>13.2}   {}",
            variant.name,
            median / count as f64,
            median / bars as f64,
            median / all as f64,
            variant.said
        );
    }
    let figures = [
        (2, 0, "1.6"),
        (3, 1, "1.6"),
        (3, 0, ""),
        (4, 0, "2"),
        (5, 1, "2"),
        (5, 0, ""),
        (6, 3, ""),
        (7, 5, ""),
    ];
    for (variant, reference, bound) in figures {
        let ratio = variants[variant].median() as f64 / variants[reference].median() as f64;
        let (name, beside) = (variants[variant].name, variants[reference].name);
        let said = &variants[variant].said;
        println!("figure\tin memory: {name}\t{beside}\t{ratio:.2}\t{bound}\t{said}");
    }
}
