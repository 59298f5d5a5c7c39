//! What checkpoints cost: W1's trades over many symbols, lap after lap, with and without checkpoints.
//!
//! `cargo bench --bench checkpoints [-- SYMBOLS SECONDS [DENSITY]]`: the log's own time goes DENSITY times slower, so that
//! its horizon holds as many times more trades and their ids; unless given, both of 400 trades a second (1), where bars are
//! most of a checkpoint, and of 11,000 (28), where ids are. Every round runs both, one after the other. The cost of a
//! checkpoint is the time that the run with checkpoints takes more for as many trades, by checkpoint, beside five seconds;
//! and so with CPU time, which a thread of its own writes checkpoints in. Pauses are those of a log that comes at a pace, once the horizon is full: how long
//! a batch that has come waits until its worker takes it.

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
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// Where nearly every minute of a symbol has a few trades, and where a horizon holds as many trades as a lap.
const DENSITIES: [i64; 2] = [1, 28];
const TRADES: usize = 10_000_000;
/// Pauses that are shown.
const SHOWN: usize = 8;
/// How often a run with checkpoints cuts one, so that a short one has several.
const EVERY_MS: u64 = 1_000;
/// How often one would: what the cost is a part of.
const USUAL_S: f64 = 5.0;
const LAP_NS: i64 = 7 * 3_600 * Time::SECOND;

/// How many times faster than its own time a log comes, after so many batches that come at once.
const PACE: i64 = 20;
const AT_ONCE: usize = 40;
/// Trades of a batch that comes at a pace.
const PACED_ROWS: usize = 256;

/// Pauses of all workers.
type Pauses = Arc<Mutex<Vec<Duration>>>;

/// When a log that comes at a pace began to, at what time of its own, and its newest.
type Began = (Instant, Time, Time);

const TICK: Duration = Duration::from_millis(1);

/// The log again and again until a moment, each lap later and with ids of its own.
struct Laps {
    batches: Arc<Vec<Trades>>,
    at: usize,
    /// Where in its batch it stands, where it comes at a pace.
    row: usize,
    rows: u64,
    until: Instant,
    density: i64,
    pace: Option<(Option<Began>, Pauses)>,
}

impl Laps {
    /// How many rows of the batch come now; none while they are not due.
    fn due(&mut self) -> Option<usize> {
        let batch = &self.batches[self.at % self.batches.len()];
        let time = self.time(batch.ts_event[self.row], self.at / self.batches.len());
        let Some((began, pauses)) = self.pace.as_mut().filter(|_| self.at >= AT_ONCE) else {
            return Some(batch.len());
        };
        let (since, first, newest) = began.get_or_insert((Instant::now(), time, time));
        // A late trade comes when it comes.
        *newest = time.max(*newest);
        let after = (newest.ns() - first.ns()) / PACE;
        let late =
            Instant::now().checked_duration_since(*since + Duration::from_nanos(after as u64))?;
        pauses.lock().expect("no holder of this lock panics").push(late);
        Some(PACED_ROWS.min(batch.len() - self.row))
    }
}

impl Laps {
    /// When a trade of the log happens in a lap.
    fn time(&self, of: Time, lap: usize) -> Time {
        Time::from_ns((of.ns() + lap as i64 * LAP_NS) / self.density)
    }
}

impl Feed for Laps {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        if Instant::now() >= self.until {
            return Ok(Fed::End);
        }
        let Some(count) = self.due() else { return Ok(Fed::Pending) };
        let (lap, at) = (self.at / self.batches.len(), self.at % self.batches.len());
        let rows = self.row..self.row + count;
        self.row = rows.end;
        if self.row == self.batches[at].len() {
            (self.at, self.row) = (self.at + 1, 0);
        }
        let mut trades = part(&self.batches[at], rows);
        for ts in &mut trades.ts_event {
            *ts = self.time(*ts, lap);
        }
        for (row, offset) in trades.offset.iter_mut().enumerate() {
            *offset = Offset::in_file(0, self.rows + row as u64);
            trades.trade_id.push(TradeId::from_number(self.rows + row as u64));
        }
        self.rows += trades.len() as u64;
        Ok(Fed::Batch(Box::new(Decoded { trades: trades.into(), ..Decoded::default() })))
    }

    fn recycle(&mut self, _batch: Box<Decoded>) {}

    /// A log that comes at a pace is looked at every millisecond.
    fn wake_by(&mut self, waker: Waker) {
        let until = self.until;
        if self.pace.is_some() {
            std::thread::spawn(move || {
                while Instant::now() < until + TICK {
                    std::thread::sleep(TICK);
                    waker();
                }
            });
        }
    }

    fn source_of(&self, _offset: Offset) -> String {
        "memory".to_owned()
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

/// Some rows of a batch.
fn part(of: &Trades, rows: Range<usize>) -> Trades {
    Trades {
        ts_event: of.ts_event[rows.clone()].to_vec(),
        symbol: of.symbol[rows.clone()].to_vec(),
        price: of.price[rows.clone()].to_vec(),
        size: of.size[rows.clone()].to_vec(),
        offset: of.offset[rows].to_vec(),
        ..Trades::default()
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

/// What is asked of a run.
#[derive(Clone, Copy)]
struct How {
    seconds: u64,
    density: i64,
    is_paced: bool,
    with_checkpoints: bool,
}

fn run(logs: &[Arc<Vec<Trades>>], symbols: &Symbols, how: How) -> Seen {
    let How { seconds, density, is_paced, with_checkpoints } = how;
    let (pauses, began) = (Pauses::default(), Instant::now());
    let until = began + Duration::from_secs(seconds);
    let open = |(number, batches): (usize, &Arc<Vec<Trades>>)| {
        let (batches, pauses, symbols) = (batches.clone(), pauses.clone(), symbols.clone());
        let pace = is_paced.then_some((None, pauses));
        let feed = Laps { batches, at: 0, row: 0, rows: 0, until, density, pace };
        Box::new(move |_| {
            let bar_ns = 60 * Time::SECOND;
            let config =
                AdmissionConfig { bar_ns, ..AdmissionConfig::new(Time::from_ns(i64::MAX)) };
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
    let mut longest = pauses.lock().expect("no holder of this lock panics").clone();
    longest.sort_unstable_by(|a, b| b.cmp(a));
    Seen {
        trades: outcome.counts.read,
        cpu_s,
        wall_s,
        checkpoints: written.load(Ordering::Relaxed),
        bytes: depot.largest(),
        pauses: longest.iter().take(SHOWN).map(|pause| pause.as_secs_f64() * 1e3).collect(),
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
    let density = numbers.next();
    for density in density.map_or(DENSITIES.to_vec(), |density| vec![density as i64]) {
        measure(count, seconds, density);
    }
}

/// Costs and pauses with one worker and with two.
fn measure(count: usize, seconds: u64, density: i64) {
    let rate = TRADES as i64 * density / (LAP_NS / Time::SECOND);
    for workers in [1, 2] {
        let symbols = Symbols::default();
        let batches = data::trades(TRADES, count, &symbols);
        let mut logs = vec![Vec::new(); workers];
        batches.into_iter().enumerate().for_each(|(at, batch)| logs[at % workers].push(batch));
        let logs: Vec<_> = logs.into_iter().map(Arc::new).collect();
        let name =
            format!("a checkpoint every 5 s, {count} symbols, {rate} trades/s, {workers} workers");
        let both = |is_paced| {
            let run = |with_checkpoints| {
                run(&logs, &symbols, How { seconds, density, is_paced, with_checkpoints })
            };
            [false, true].map(run)
        };
        let (mut losses, mut costs, mut said) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..ROUNDS {
            let [plain, with] = both(false);
            let each = |of: fn(&Seen) -> f64| {
                let more = of(&with) - of(&plain) * with.trades as f64 / plain.trades as f64;
                more / with.checkpoints.max(1) as f64
            };
            let (lost_s, cost_s) = (each(|seen| seen.wall_s), each(|seen| seen.cpu_s));
            losses.push(lost_s / USUAL_S);
            costs.push(cost_s / (plain.cpu_s / plain.wall_s * USUAL_S));
            said = format!(
                "{lost_s:.3} s and {cost_s:.3} s of CPU each, {} of {} MiB in {:.0} s; {:.1} ns a trade",
                with.checkpoints,
                with.bytes >> 20,
                with.wall_s,
                plain.cpu_ns_a_trade(),
            );
            println!("{workers} workers: {:.2}%, {said}", losses[losses.len() - 1] * 100.0);
        }
        println!("figure\t{name}, time\twithout\t{:.3}\t1.05\t{said}", 1.0 + median(losses));
        println!("figure\t{name}, CPU\twithout\t{:.3}\t\t{said}", 1.0 + median(costs));
        let (mut pauses, mut said) = (Vec::new(), String::new());
        for _ in 0..ROUNDS {
            let [plain, with] = both(true);
            pauses.push(with.pauses.first().copied().unwrap_or_default());
            said = format!(
                "{} of {} MiB in {:.0} s; longest {:.0?} ms, without {:.0?} ms",
                with.checkpoints,
                with.bytes >> 20,
                with.wall_s,
                with.pauses,
                plain.pauses
            );
            println!("{workers} workers at a pace: {said}");
        }
        println!("figure\t{name}, longest pause\t1 ms\t{:.1}\t50\t{said}", median(pauses));
    }
}
