//! Whole graphs over logs that are admitted already: workers, cuts and the speed of partitions are
//! invisible in every row, revisions and times of knowledge included.

use dataflows::{Cluster, Empty, Horizons, IndicatorPlan, Opener, Outcome, Plan, Watch, run};
use market::{
    Admitted, Counts, EpochLength, Offset, Partition, PartitionError, Polled, Price, Rows, Run,
    Scale, Scales, Sink, SinkError, Size, Symbols, Time, Waker,
};
use operators::indicator::Registry;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

const LATENESS: i64 = 2 * Time::SECOND;
const HORIZON: i64 = 180 * Time::SECOND;

/// A trade: time, symbol's name, price, size.
#[derive(Clone, Debug)]
struct Trade {
    ts: i64,
    symbol: String,
    price: i64,
    size: i64,
}

/// A partition over a log in memory, cut as told; every poll in `slow` finds nothing at first.
struct Log {
    trades: std::vec::IntoIter<Trade>,
    symbols: Symbols,
    watermark: i64,
    cuts: Vec<usize>,
    polls: usize,
    slow: usize,
    row: u64,
    waker: Option<Waker>,
}

impl Log {
    fn new(trades: Vec<Trade>, symbols: &Symbols, cuts: Vec<usize>, slow: usize) -> Self {
        let (trades, symbols) = (trades.into_iter(), symbols.clone());
        Log { trades, symbols, watermark: i64::MIN, cuts, polls: 0, slow, row: 0, waker: None }
    }

    fn admit(&mut self, trade: &Trade, to: &mut Admitted) {
        self.row += 1;
        self.watermark = self.watermark.max(trade.ts - LATENESS);
        if trade.ts < self.watermark - HORIZON {
            return;
        }
        let row = to.trades.len() as u32;
        let epoch = self.watermark.div_euclid(Time::SECOND);
        match to.runs.last_mut() {
            Some(run) if run.epoch == epoch => run.rows.end = row + 1,
            _ => to.runs.push(Run { epoch, rows: row..row + 1 }),
        }
        to.trades.ts_event.push(Time::from_ns(trade.ts));
        to.trades.symbol.push(self.symbols.intern(trade.symbol.as_bytes()).unwrap());
        to.trades.price.push(Price::from_raw(trade.price));
        to.trades.size.push(Size::from_raw(trade.size));
        to.trades.offset.push(Offset::in_file(0, self.row));
    }
}

impl Partition for Log {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        self.polls += 1;
        if self.slow > 0 && !self.polls.is_multiple_of(self.slow + 1) {
            let waker = self.waker.clone().unwrap();
            std::thread::spawn(move || waker());
            return Ok(Polled::Pending);
        }
        let rows = self.cuts[self.polls % self.cuts.len()];
        let trades: Vec<Trade> = self.trades.by_ref().take(rows).collect();
        if trades.is_empty() {
            return Ok(Polled::End);
        }
        let mut batch = Admitted::default();
        trades.iter().for_each(|trade| self.admit(trade, &mut batch));
        Ok(Polled::Batch(Box::new(batch)))
    }

    fn recycle(&mut self, _batch: Box<Admitted>) {}

    fn wake_by(&mut self, waker: Waker) {
        self.waker = Some(waker);
    }

    fn counts(&self) -> Counts {
        Counts { read: self.row, ..Counts::default() }
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

/// Every row as text, in the order a sink is given them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Sink for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let mut lines = self.0.lock().unwrap();
        for (at, key) in rows.keys.iter().enumerate() {
            let cells: Vec<String> = (0..rows.table.columns.len())
                .map(|column| format!("{:?}", rows.cell(at, column)))
                .collect();
            let (symbol, known) = (rows.symbols.text(key.symbol), rows.known_at[at]);
            lines.push(format!(
                "{} {symbol} {} {} epoch {} revision {} known {known} {}",
                rows.table.name,
                key.width,
                key.ts_open,
                key.epoch,
                key.revision,
                cells.join(" ")
            ));
        }
        Ok(())
    }
}

fn plan(empty: Empty, symbols: &Symbols) -> Plan {
    let widths: Vec<_> = ["10s", "15s", "1min", "1h"].map(|w| w.parse().unwrap()).to_vec();
    let registry = Registry::standard();
    let list = ["sma(3)", "ema(4)", "rsi(3)", "macd(2,4,3)", "bb(3,2)", "vwap(session)"];
    let list = list.map(|text| registry.parse(text).unwrap()).to_vec();
    let indicators = vec![
        IndicatorPlan { widths: vec![widths[0], widths[2]], list: list[..4].to_vec() },
        IndicatorPlan { widths: vec![widths[2]], list: list[3..].to_vec() },
    ];
    Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: LATENESS,
        horizons: Horizons::all(HORIZON),
        widths,
        empty,
        indicators,
        symbols: symbols.clone(),
    }
}

fn compute(
    empty: Empty,
    logs: &[Vec<Trade>],
    workers: usize,
    cuts: &[usize],
    slow: &[usize],
) -> (Vec<String>, Outcome) {
    compute_on(Cluster::local(workers), empty, logs, cuts, slow)
}

/// The same by two processes (here: two sets of workers that share nothing but a socket).
fn compute_by_two(
    empty: Empty,
    logs: &[Vec<Trade>],
    workers: usize,
    cuts: &[usize],
) -> (Vec<String>, Outcome) {
    // Both are held until both are known, so that they differ.
    let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let address = |port: &std::net::TcpListener| port.local_addr().expect("bound").to_string();
    let addresses: Vec<String> = ports.iter().map(address).collect();
    drop(ports);
    let started_at = Time::from_ns(0);
    let cluster = |process| {
        let addresses = addresses.clone();
        Cluster { workers, process, addresses, started_at, ..Cluster::local(0) }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| compute_on(cluster(1), empty, logs, cuts, &[0]));
        compute_on(cluster(0), empty, logs, cuts, &[0])
    })
}

/// Scales of their own, which two of the symbols have.
fn coarse() -> Scales {
    let scale = |digits| Scale::new(digits).expect("a scale");
    Scales { price: scale(7), size: scale(8) }
}

fn compute_on(
    cluster: Cluster,
    empty: Empty,
    logs: &[Vec<Trade>],
    cuts: &[usize],
    slow: &[usize],
) -> (Vec<String>, Outcome) {
    let symbols =
        Symbols::with_scales([("S1".to_owned(), coarse()), ("S4".to_owned(), coarse())].into());
    let lines = Lines::default();
    let open = |(number, log): (usize, &Vec<Trade>)| {
        let slow = slow[number % slow.len()];
        let log = Log::new(log.clone(), &symbols, cuts.to_vec(), slow);
        Box::new(move |_| Ok(Box::new(log) as Box<dyn Partition>)) as Opener
    };
    let partitions = logs.iter().enumerate().map(open).collect();
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(lines.clone())];
    let plan = plan(empty, &symbols);
    let outcome = run(plan, cluster, partitions, sinks, Watch::default()).unwrap();
    let mut lines = std::mem::take(&mut *lines.0.lock().unwrap());
    // The order is by table: how the tables' batches alternate is the schedule's.
    lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    (lines, outcome)
}

/// The last word on every key: revision, epoch and time of knowledge left out.
fn final_values(lines: &[String]) -> Vec<String> {
    let mut last = std::collections::BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        last.insert(words[..4].join(" "), words[10..].join(" "));
    }
    last.into_iter().map(|(key, values)| format!("{key} {values}")).collect()
}

fn logs() -> impl Strategy<Value = Vec<Vec<Trade>>> {
    let step = prop_oneof![20 => 0i64..900, 1 => 10_000i64..100_000];
    let delay = prop_oneof![8 => Just(0i64), 1 => 0i64..2_000, 1 => 0i64..90_000];
    let trade = (step, delay, 0u8..7, 1i64..200, 1i64..9);
    let log = prop::collection::vec(trade, 0..250);
    prop::collection::vec(log, 1..5).prop_map(|logs| {
        let stamp = |log: Vec<(i64, i64, u8, i64, i64)>| {
            let mut head = 1_700_000_000_000;
            let trade = |(step, delay, symbol, price, size)| {
                head += step;
                let (ts, symbol) = ((head - delay) * 1_000_000, format!("S{symbol}"));
                Trade { ts, symbol, price: price * 10_000_000, size: size * 1_000_000_000 }
            };
            log.into_iter().map(trade).collect()
        };
        logs.into_iter().map(stamp).collect()
    })
}

/// Fails with the first line that differs.
fn same(a: &[String], b: &[String]) -> Result<(), TestCaseError> {
    let differs = a.iter().zip(b).find(|(a, b)| a != b);
    prop_assert!(
        differs.is_none() && a.len() == b.len(),
        "{} and {} lines, first {differs:#?}",
        a.len(),
        b.len()
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn workers_cuts_and_speeds_are_invisible(
        logs in logs(),
        workers in prop::sample::select(vec![2usize, 3, 4, 8]),
        cuts in prop::collection::vec(1usize..60, 1..4),
        slow in prop::collection::vec(0usize..4, 1..4),
        carry: bool,
    ) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let (reference, first) = compute(empty, &logs, 1, &[1_000], &[0]);
        let (lines, outcome) = compute(empty, &logs, workers, &cuts, &slow);
        same(&reference, &lines)?;
        prop_assert_eq!(first, outcome);
    }

    #[test]
    fn a_split_by_symbol_changes_no_final_value(logs in logs(), parts in 2usize..8, carry: bool) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let whole = &logs[..1];
        let mut split = vec![Vec::new(); parts];
        for trade in &logs[0] {
            split[trade.symbol.as_bytes()[1] as usize % parts].push(trade.clone());
        }
        let (whole, _) = compute(empty, whole, 1, &[100], &[0]);
        let (split, _) = compute(empty, &split, 2, &[7], &[0]);
        // Within one log a symbol's trades may lie beyond the horizon of the others' watermark.
        let (whole, split) = (final_values(&whole), final_values(&split));
        same(&whole, &split)?;
    }
}

proptest! {
    // Two processes take a second to find one another.
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_second_process_is_invisible(logs in logs(), workers in 1usize..3, carry: bool) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let (reference, first) = compute(empty, &logs, 1, &[1_000], &[0]);
        let (lines, outcome) = compute_by_two(empty, &logs, workers, &[17]);
        same(&reference, &lines)?;
        prop_assert_eq!(first, outcome);
    }
}
