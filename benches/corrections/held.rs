//! What a trade of the horizon takes, in resident memory: each case in a process of its own, so that none is given what
//! another has left.

use super::data::BATCH_ROWS;
use super::graph::{STARTED_AT, admission};
use market::{
    EpochLength, Offset, Partition, PartitionError, Polled, Price, Size, SymbolId, Symbols, Time,
    TradeId, Trades, Waker,
};
use sources::{AdmissionConfig, AdmittedPartition, Decoded, Fed, Feed};
use std::process::Command;

/// As the first argument: this process is one that measures.
pub const MEASURE: &str = "held";
/// Longer than any log of this bench.
const HORIZON_NS: i64 = 86_400 * Time::SECOND;
const SYMBOLS: usize = 1_000;
const VENUES: usize = 5;

/// Bytes a trade that stay resident.
pub struct Held {
    /// Behind a log that was read.
    pub read: f64,
    /// And once every symbol's trades were asked for.
    pub listed: f64,
}

/// Measures in a process of its own.
pub fn ask(count: usize, has_ids: bool, keeps_trades: bool) -> Held {
    let program = std::env::current_exe().expect("a program that runs");
    let words = [MEASURE.to_owned(), count.to_string(), has_ids.to_string()];
    let output = Command::new(program).args(words).arg(keeps_trades.to_string()).output();
    let output = output.expect("a process that can be started");
    let text = String::from_utf8(output.stdout).expect("text");
    let bytes: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[read, listed] = &bytes[..] else { panic!("two numbers are wanted, not {text:?}") };
    Held { read, listed }
}

/// Measures in this process, and prints it.
pub fn measure(words: &[String]) {
    let count: usize = words[0].parse().expect("a number of trades");
    let (has_ids, keeps_trades) = (words[1] == "true", words[2] == "true");
    let symbols = Symbols::default();
    let name = |number: usize| symbols.intern(format!("S{number:04}").as_bytes());
    let ids = (0..SYMBOLS + VENUES).map(|number| name(number).expect("a printable name")).collect();
    let feed = Made { left: count, made: 0, has_ids, ids };
    let config = AdmissionConfig { keeps_trades, ..admission(HORIZON_NS) };
    let before = resident();
    let mut partition =
        AdmittedPartition::new(Box::new(feed), config, EpochLength::SECOND, symbols.clone(), 0);
    while let Polled::Batch(batch) = partition.poll().expect("a log that can be read") {
        partition.recycle(batch);
    }
    let read = resident();
    let (mut told, end) = (0, Time::from_ns(STARTED_AT));
    for number in 0..SYMBOLS {
        let symbol = SymbolId::from_index(number as u32);
        partition.ticks(symbol, Time::from_ns(0), end, &mut |_| told += 1);
    }
    assert_eq!(told, if keeps_trades { count } else { 0 });
    let bytes = |after: i64| (after - before) as f64 / count as f64;
    println!("{} {}", bytes(read), bytes(resident()));
}

/// Bytes of this process that are resident.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a system that tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: i64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib * 1_024
}

/// A log that is made while it is read, in batches without a spare byte.
struct Made {
    left: usize,
    made: usize,
    has_ids: bool,
    ids: Vec<SymbolId>,
}

impl Feed for Made {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        if self.left == 0 {
            return Ok(Fed::End);
        }
        let (from, rows) = (self.made, self.left.min(BATCH_ROWS));
        (self.made, self.left) = (from + rows, self.left - rows);
        let all = from..from + rows;
        let with_ids = if self.has_ids { all.clone() } else { 0..0 };
        let trades = Trades {
            ts_event: all.clone().map(|row| Time::from_ns(row as i64 * 1_000_000)).collect(),
            symbol: all.clone().map(|row| self.ids[row * 7 % SYMBOLS]).collect(),
            price: all.clone().map(|row| Price::from_raw(1 + row as i64 % 100)).collect(),
            size: all.clone().map(|row| Size::from_raw(1 + row as i64 % 9)).collect(),
            offset: all.map(|row| Offset::in_file(0, row as u64)).collect(),
            trade_id: with_ids.clone().map(|row| TradeId::from_number(1 + row as u64)).collect(),
            venue: with_ids.map(|row| self.ids[SYMBOLS + row % VENUES]).collect(),
            ..Trades::default()
        };
        Ok(Fed::Batch(Box::new(Decoded { trades: trades.into(), ..Decoded::default() })))
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
