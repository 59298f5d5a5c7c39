//! What checkpoints cost: W1's trades over many symbols, lap after lap, with and without checkpoints.
//!
//! `cargo bench --bench checkpoints [-- SYMBOLS SECONDS]`. Every round runs both, one after the other. The cost of a
//! checkpoint is the CPU time that the run with checkpoints takes more, by checkpoint, beside what the run
//! without them takes in five seconds. A pause is the CPU time of a worker's thread between two polls
//! of its partition, which always has a batch: neighbours on the machine are not in it.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../w1/data.rs"]
#[expect(dead_code, reason = "the feed that keeps its batches is another bench's")]
mod data;
mod folder;

use dataflows::checkpoint::{Checkpoints, Claimed, Depot, Entry, Manifest, claim, create};
use dataflows::{Cluster, Empty, Horizons, IndicatorPlan, Opener, Plan, Watch};
use folder::Folder;
use market::{EpochLength, Offset, PartitionError, Symbols, Time, TradeId, Trades, Waker};
use operators::indicator::Registry;
use rustix::time::{ClockId, clock_gettime};
use sources::{AdmissionConfig, AdmittedPartition, Decoded, Fed, Feed};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// How often a run with checkpoints cuts one, so that a short one has several.
const EVERY_MS: u64 = 1_000;
/// How often one would: what the cost is a part of.
const USUAL_S: f64 = 5.0;
const LAP_NS: i64 = 7 * 3_600 * Time::SECOND;

/// Pauses of all workers in nanoseconds, those below a millisecond only counted.
type Pauses = Arc<Mutex<(u64, Vec<u64>)>>;

/// The log again and again until a moment, each lap later and with ids of its own.
struct Laps {
    batches: Arc<Vec<Trades>>,
    at: usize,
    rows: u64,
    until: Instant,
    /// CPU time of the worker's thread at the poll before.
    polled: Option<u64>,
    pauses: Pauses,
}

impl Feed for Laps {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        let spent = cpu_ns(ClockId::ThreadCPUTime);
        if let Some(polled) = self.polled.replace(spent) {
            let pause = spent - polled;
            let mut pauses = self.pauses.lock().expect("no holder of this lock panics");
            pauses.0 += 1;
            if pause >= 1_000_000 {
                pauses.1.push(pause);
            }
        }
        if Instant::now() >= self.until {
            return Ok(Fed::End);
        }
        let (lap, at) = (self.at / self.batches.len(), self.at % self.batches.len());
        self.at += 1;
        let mut trades = self.batches[at].clone();
        for ts in &mut trades.ts_event {
            *ts = Time::from_ns(ts.ns() + lap as i64 * LAP_NS);
        }
        for (row, offset) in trades.offset.iter_mut().enumerate() {
            *offset = Offset::in_file(0, self.rows + row as u64);
            trades.trade_id.push(TradeId::from_number(self.rows + row as u64));
        }
        self.rows += trades.len() as u64;
        Ok(Fed::Batch(Box::new(Decoded { trades, ..Decoded::default() })))
    }

    fn recycle(&mut self, _batch: Box<Decoded>) {}

    fn wake_by(&mut self, _waker: Waker) {}

    fn source_of(&self, _offset: Offset) -> String {
        "memory".to_owned()
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

fn plan(symbols: &Symbols) -> Plan {
    let widths: Vec<_> = ["1min", "5min", "15min"].map(|w| w.parse().expect("a width")).to_vec();
    let list = "sma(20),ema(12),ema(26),rsi(14),macd(12,26,9),bb(20,2)";
    let list = Registry::standard().parse_list(list).expect("a list of known indicators");
    Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: data::LATENESS_NS,
        horizons: Horizons::all(900 * Time::SECOND),
        course: dataflows::Course::default(),
        pools: Vec::new(),
        widths: widths.clone(),
        empty: Empty::Skip,
        indicators: vec![IndicatorPlan { widths, list }],
        symbols: symbols.clone(),
    }
}

/// What a run did.
#[derive(Clone, Debug, Default)]
struct Seen {
    trades: u64,
    cpu_s: f64,
    wall_s: f64,
    checkpoints: u64,
    bytes: u64,
    /// The longest pauses, ms.
    pauses: Vec<f64>,
}

impl Seen {
    fn cpu_ns_a_trade(&self) -> f64 {
        self.cpu_s * 1e9 / self.trades as f64
    }
}

fn cpu_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn run(logs: &[Arc<Vec<Trades>>], symbols: &Symbols, seconds: u64, with_checkpoints: bool) -> Seen {
    let (pauses, began) = (Pauses::default(), Instant::now());
    let until = began + Duration::from_secs(seconds);
    let open = |(number, batches): (usize, &Arc<Vec<Trades>>)| {
        let (batches, pauses, symbols) = (batches.clone(), pauses.clone(), symbols.clone());
        let feed = Laps { batches, at: 0, rows: 0, until, polled: None, pauses };
        Box::new(move |_| {
            let config = AdmissionConfig::new(Time::from_ns(i64::MAX));
            let length = EpochLength::SECOND;
            let partition =
                AdmittedPartition::new(Box::new(feed), config, length, symbols, number as u32);
            Ok(Box::new(partition) as Box<dyn market::Partition>)
        }) as Opener
    };
    let openers: Vec<Opener> = logs.iter().enumerate().map(open).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let depot = Arc::new(Folder::new(folder.path()));
    let written = Arc::new(AtomicU64::new(0));
    let checkpoints = with_checkpoints.then(|| Checkpoints {
        claimed: Some(first(&*depot)),
        depot: depot.clone(),
        clock: Arc::new(move || began.elapsed().as_millis() as u64),
        every_ms: EVERY_MS,
        keep: 2,
        listener: {
            let written = written.clone();
            Arc::new(move |_| {
                written.fetch_add(1, Ordering::Relaxed);
            })
        },
    });
    let before = cpu_ns(ClockId::ProcessCPUTime);
    let cluster = Cluster::local(logs.len());
    let outcome =
        dataflows::run(plan(symbols), cluster, openers, vec![], Watch::default(), checkpoints);
    let outcome = outcome.expect("the run ends well");
    let cpu_s = (cpu_ns(ClockId::ProcessCPUTime) - before) as f64 / 1e9;
    let wall_s = began.elapsed().as_secs_f64();
    let mut longest = pauses.lock().expect("no holder of this lock panics").1.clone();
    longest.sort_unstable_by(|a, b| b.cmp(a));
    Seen {
        trades: outcome.counts.read,
        cpu_s,
        wall_s,
        checkpoints: written.load(Ordering::Relaxed),
        bytes: depot.largest(),
        pauses: longest.iter().take(5).map(|&ns| ns as f64 / 1e6).collect(),
    }
}

/// The first manifest of a run.
fn first(depot: &dyn Depot) -> Claimed {
    let mut claimed = claim(depot, &[]).expect("a claim");
    let (lineage, started_at) = ("bench".to_owned(), Time::from_ns(0));
    let manifest = Manifest::first(claimed.generation, lineage, Vec::new(), started_at);
    create(depot, claimed.next, &Entry::Manifest(manifest.clone())).expect("a manifest");
    claimed.manifest = Some((claimed.next, manifest));
    claimed.next += 1;
    claimed
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let count = numbers.next().unwrap_or(10_000) as usize;
    let seconds = numbers.next().unwrap_or(12);
    for workers in [1, 2] {
        let symbols = Symbols::default();
        let batches = data::trades(10_000_000, count, &symbols);
        let mut logs = vec![Vec::new(); workers];
        batches.into_iter().enumerate().for_each(|(at, batch)| logs[at % workers].push(batch));
        let logs: Vec<_> = logs.into_iter().map(Arc::new).collect();
        let (mut costs, mut pauses, mut said) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..ROUNDS {
            let [plain, with] = [false, true].map(|with| run(&logs, &symbols, seconds, with));
            let more = with.cpu_s - plain.cpu_ns_a_trade() * with.trades as f64 / 1e9;
            let cost_s = more / with.checkpoints.max(1) as f64;
            let usual = plain.cpu_s / plain.wall_s * USUAL_S;
            costs.push(cost_s / usual);
            let longest = |seen: &Seen| seen.pauses.first().copied().unwrap_or_default();
            pauses.push(longest(&with));
            said = format!(
                "{cost_s:.3} s of CPU each, {} of {} MiB in {:.0} s; longest pauses {:.0?} ms, without {:.0?} ms; {:.1} ns a trade",
                with.checkpoints,
                with.bytes >> 20,
                with.wall_s,
                with.pauses,
                plain.pauses,
                plain.cpu_ns_a_trade(),
            );
            println!("{workers} workers: {:.2}%, {said}", costs[costs.len() - 1] * 100.0);
        }
        let (cost, pause) = (median(costs), median(pauses));
        let name = format!("a checkpoint every 5 s, {count} symbols, {workers} workers");
        println!("figure\t{name}, CPU\twithout\t{:.3}\t1.05\t{said}", 1.0 + cost);
        println!("figure\t{name}, longest pause\t1 ms\t{pause:.1}\t50\t{said}");
    }
}
