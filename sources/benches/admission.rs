//! Nanoseconds a trade of admission and of the simulator, beside a plain loop that judges times and ranges
//! and finds epochs. CPU time, the least of several
//! rounds, alternating.
//!
//! `cargo bench -p tidemill-sources --bench admission [-- trades [case]]`

use market::{Offset, Run, Symbols, Time, TradeId};
use sources::{Admission, AdmissionConfig, Decoded, Fed, Feed, OutlierMode, OutlierRule};
use sources::{SimulatedFeed, Simulation};
use std::hint::black_box;

const ROUNDS: usize = 7;

fn main() {
    let given = std::env::args().find_map(|argument| argument.parse().ok());
    // Cargo adds a flag of its own.
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let only = names.nth(1).unwrap_or_default();
    let trades = given.unwrap_or(1_000_000);
    // As many trades a second as in the whole of W1.
    let session_ns = (trades as i64 * 2_340_000).max(Time::SECOND);
    let simulation = Simulation { trades, session_ns, ..Simulation::w1(1) };
    let symbols = Symbols::default();
    let (ns, batches) = timed(|| batches(&simulation, &symbols));
    println!("simulator {:.1} ns/trade", ns / simulation.trades as f64);
    let bare = map(&batches, |batch| {
        batch.trades.trade_id.clear();
        batch.trades.side.clear();
    });
    let text = map(&batches, |batch| {
        let hashed = |id: &TradeId| TradeId::from_text(format!("x{}", id.raw()).as_bytes());
        batch.trades.trade_id = batch.trades.trade_id.iter().map(hashed).collect();
    });
    let off = config(OutlierMode::Off);
    let cases: [(&str, &[Decoded], &AdmissionConfig); 6] = [
        ("no ids, outliers off", &bare, &off),
        ("no ids, outliers flag", &bare, &config(OutlierMode::Flag)),
        ("numeric ids, outliers off", &batches, &off),
        ("numeric ids, outliers flag", &batches, &config(OutlierMode::Flag)),
        ("text ids, outliers flag", &text, &config(OutlierMode::Flag)),
        ("plain loop", &bare, &off),
    ];
    let mut least = [f64::INFINITY; 6];
    for _ in 0..ROUNDS {
        for (case, (name, batches, config)) in cases.iter().enumerate() {
            if !name.contains(&only) {
                continue;
            }
            let mut work = batches.to_vec();
            let (ns, ()) = match *name {
                "plain loop" => timed(|| plain(&work, config)),
                _ => timed(|| admit(&mut work, config, &symbols)),
            };
            least[case] = least[case].min(ns / simulation.trades as f64);
        }
    }
    for ((name, ..), ns) in cases.iter().zip(least) {
        println!("{name:<26} {ns:6.2} ns/trade, {:.2} of the plain loop", ns / least[5]);
    }
}

fn config(mode: OutlierMode) -> AdmissionConfig {
    let outliers = OutlierRule::new(mode, 12.0, 5).expect("a rule in range");
    let started_at = Time::from_ns(1_800_000_000 * Time::SECOND);
    AdmissionConfig { outliers, ..AdmissionConfig::new(started_at) }
}

fn batches(simulation: &Simulation, symbols: &Symbols) -> Vec<Decoded> {
    let mut feed = SimulatedFeed::new(simulation, symbols, 0, 1).expect("a simulation in range");
    let mut batches = Vec::new();
    while let Ok(Fed::Batch(batch)) = feed.poll() {
        batches.push(*batch);
    }
    batches
}

fn map(batches: &[Decoded], change: impl Fn(&mut Decoded)) -> Vec<Decoded> {
    let mut batches = batches.to_vec();
    batches.iter_mut().for_each(change);
    batches
}

fn admit(batches: &mut [Decoded], config: &AdmissionConfig, symbols: &Symbols) {
    let length = market::EpochLength::SECOND;
    let mut admission = Admission::new(config.clone(), length, symbols.clone(), 0);
    for batch in batches {
        black_box(admission.admit(batch));
    }
    assert!(admission.counts().used > 0);
}

/// The same verdicts on clean records without ids, as one would write them by hand.
fn plain(batches: &[Decoded], config: &AdmissionConfig) {
    let latest = config.started_at.ns() + config.max_ahead_ns;
    let (mut greatest, mut epoch, mut next) = (i64::MIN / 2, i64::MIN, i64::MIN / 2);
    let mut refused: Vec<Offset> = Vec::new();
    for Decoded { trades, .. } in batches {
        let mut runs: Vec<Run> = Vec::new();
        let mut start = 0;
        for row in 0..trades.len() {
            let (ts, price) = (trades.ts_event[row].ns(), trades.price[row].raw());
            let size = trades.size[row].raw();
            let product = i128::from(price) * i128::from(size);
            let floor = greatest - config.lateness_ns - config.horizon_ns;
            if ts > latest || ts < floor || price <= 0 || size <= 0 || product >= 1 << 103 {
                refused.push(trades.offset[row]);
                continue;
            }
            greatest = greatest.max(ts);
            if greatest >= next {
                runs.push(Run { epoch, rows: start..row as u32 });
                start = row as u32;
                epoch = (greatest - config.lateness_ns).div_euclid(Time::SECOND);
                next = (epoch + 1) * Time::SECOND + config.lateness_ns;
            }
        }
        runs.push(Run { epoch, rows: start..trades.len() as u32 });
        black_box(runs);
    }
    black_box(refused);
}

/// CPU nanoseconds of this thread, so that a busy machine does not count.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = cpu_ns();
    let done = work();
    (cpu_ns() - start, done)
}

fn cpu_ns() -> f64 {
    // A yield brings the kernel's account up to date.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}
