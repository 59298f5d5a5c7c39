//! Random logs, and graphs run over them.

use dataflows::{
    Cluster, Empty, Event, Horizons, IndicatorPlan, MakeJudge, Opener, Outcome, Plan, PoolPlan,
    Watch,
};
use market::{
    EpochLength, Offset, Partition, PartitionError, Price, Size, Symbols, Time, TradeId, Trades,
    TransType, Waker,
};
use operators::indicator::Registry;
use proptest::prelude::*;
use sinks::MemorySink;
use sources::{
    AdmissionConfig, AdmittedPartition, Decoded, Exclusion, Fed, Feed, Heartbeat, MemoryFeed,
    Order, OutlierMode, OutlierRule, SymbolJudge,
};
use std::sync::{Arc, Mutex};

pub const START: i64 = 1_700_000_000 * Time::SECOND;
const STARTED_AT: i64 = START + 30 * Time::DAY;
pub const HORIZON: i64 = 180 * Time::SECOND;

/// One record of a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub ts: i64,
    pub symbol: usize,
    pub price: i64,
    pub size: i64,
    pub id: Option<u64>,
    /// A heartbeat at `ts` instead of a trade.
    pub heartbeat: bool,
    pub trans: TransType,
    /// Whether the id is text.
    pub is_text: bool,
}

/// A partition's log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log(pub Vec<Record>);

/// What happens next in a log.
#[derive(Clone, Debug)]
pub enum Step {
    /// Milliseconds on, milliseconds late, symbol, price.
    Trade(i64, i64, usize, i64),
    /// The record so many before once more.
    Copy(usize),
    /// A record of 2099.
    Future,
    /// Milliseconds read as nanoseconds.
    Early,
    /// A jump of some hours that nothing follows.
    Jump(i64),
    /// A price below zero, or no size.
    Bad(bool),
    /// A heartbeat so many milliseconds behind the head.
    Heartbeat(i64),
}

pub fn step(wild: bool) -> BoxedStrategy<Step> {
    let pause = prop_oneof![30 => 0i64..900, 1 => 10_000i64..200_000];
    let delay = prop_oneof![8 => Just(0i64), 1 => 0i64..2_000, 1 => 0i64..150_000];
    let trade = (pause, delay, 0usize..7, 1i64..200);
    let trade =
        trade.prop_map(|(pause, delay, symbol, price)| Step::Trade(pause, delay, symbol, price));
    if !wild {
        return trade.boxed();
    }
    prop_oneof![
        40 => trade,
        2 => (1usize..20).prop_map(Step::Copy),
        1 => Just(Step::Future),
        1 => Just(Step::Early),
        1 => (2i64..5).prop_map(Step::Jump),
        1 => any::<bool>().prop_map(Step::Bad),
        1 => (0i64..5_000).prop_map(Step::Heartbeat),
    ]
    .boxed()
}

impl Log {
    pub fn of(steps: &[Step]) -> Self {
        let mut records: Vec<Record> = Vec::new();
        let mut head = START;
        for (at, step) in steps.iter().enumerate() {
            let id = Some(at as u64);
            let mut record =
                Record { ts: head, symbol: at % 7, price: 100, size: 3, id, ..Record::default() };
            match *step {
                Step::Trade(pause, delay, symbol, price) => {
                    head += pause * 1_000_000;
                    let ts = head - delay * 1_000_000;
                    let id = (at % 11 > 0).then_some(at as u64);
                    let size = 1 + price % 9;
                    record = Record { ts, symbol, price, size, id, ..Record::default() };
                }
                Step::Copy(back) => match records.len().checked_sub(back) {
                    Some(at) => record = records[at].clone(),
                    None => continue,
                },
                Step::Future => record.ts = 4_070_908_800 * Time::SECOND,
                // As the first record it would be taken, and carried on for a week of bars.
                Step::Early if records.is_empty() => continue,
                Step::Early => record.ts = head / 1_000_000,
                Step::Jump(hours) => record.ts = head + hours * 3_600 * Time::SECOND,
                Step::Bad(true) => record.price = -100,
                Step::Bad(false) => record.size = 0,
                Step::Heartbeat(behind) => {
                    record = Record { ts: head - behind * 1_000_000, heartbeat: true, ..record };
                }
            }
            records.push(record);
        }
        Log(records)
    }

    /// Records that admission counts.
    pub fn len(&self) -> usize {
        self.0.iter().filter(|record| !record.heartbeat).count()
    }

    /// No two records of the same time.
    pub fn distinct(mut self) -> Self {
        for (at, record) in self.0.iter_mut().enumerate() {
            record.ts = record.ts - record.ts.rem_euclid(1_000) + at as i64;
        }
        self
    }

    pub fn sorted(&self) -> Self {
        let mut records = self.0.clone();
        records.sort_by_key(|record| record.ts);
        Log(records)
    }

    pub fn split(&self, parts: usize, part: impl Fn(usize, &Record) -> usize) -> Vec<Log> {
        let mut split = vec![Log::default(); parts];
        for (at, record) in self.0.iter().enumerate() {
            split[part(at, record) % parts].0.push(record.clone());
        }
        split
    }

    pub fn feed(
        &self,
        symbols: &Symbols,
        cuts: &[usize],
        exclusion: &Option<(usize, Arc<Exclusion>)>,
    ) -> MemoryFeed {
        let mut trades = Trades::default();
        let (mut heartbeats, mut orders) = (Vec::new(), Vec::new());
        for (at, record) in self.0.iter().enumerate() {
            let offset = Offset::in_file(0, at as u64);
            let here = exclusion.iter().filter(|(before, _)| *before == at);
            orders.extend(here.map(|(_, exclusion)| Order {
                before_row: trades.len() as u32,
                offset,
                exclusion: exclusion.clone(),
            }));
            if record.heartbeat {
                let before_row = trades.len() as u32;
                heartbeats.push(Heartbeat { before_row, offset, time: Time::from_ns(record.ts) });
                continue;
            }
            let symbol = format!("S{}", record.symbol);
            trades.ts_event.push(Time::from_ns(record.ts));
            trades.symbol.push(symbols.intern(symbol.as_bytes()).expect("a symbol"));
            trades.price.push(Price::from_raw(record.price * 10_000_000));
            trades.size.push(Size::from_raw(record.size * Time::SECOND));
            trades.offset.push(offset);
            trades.trade_id.push(record.id.map_or(TradeId::NONE, |id| match record.is_text {
                true => TradeId::from_text(format!("x{id}").as_bytes()),
                false => TradeId::from_number(id),
            }));
            trades.trans.push(record.trans);
        }
        MemoryFeed::new(trades).with_heartbeats(heartbeats).with_orders(orders).cut(cuts)
    }
}

/// How partitions are fed, each in its turn: sizes of batches, and polls that find nothing before each;
/// and how they are judged.
#[derive(Clone, Debug)]
pub struct Feeding {
    pub cuts: Vec<usize>,
    pub waits: Vec<usize>,
    pub started_at: Time,
    /// Lateness and horizon.
    pub timings: Vec<(i64, i64)>,
    /// Whether symbols are spread over the partitions.
    pub pooled: bool,
    pub outliers: OutlierMode,
    /// What is taken out, from the record of this number on.
    pub exclusion: Option<(usize, Arc<Exclusion>)>,
    /// Logs are read until their watermarks have come to this, and nothing is closed then.
    pub until: Option<Time>,
}

impl Default for Feeding {
    fn default() -> Self {
        Feeding {
            cuts: vec![1_000],
            waits: vec![0],
            started_at: Time::from_ns(STARTED_AT),
            timings: vec![(2 * Time::SECOND, HORIZON)],
            pooled: false,
            outliers: OutlierMode::Flag,
            exclusion: None,
            until: None,
        }
    }
}

impl Feeding {
    pub fn pooled() -> Self {
        Feeding { pooled: true, ..Feeding::default() }
    }

    fn config(&self, number: usize, started_at: Time) -> AdmissionConfig {
        let (lateness_ns, horizon_ns) = self.timing(number);
        let outliers = OutlierRule::new(self.outliers, 12.0, 5).expect("a rule");
        let is_pooled = self.pooled;
        let usual = AdmissionConfig::new(started_at);
        let until = self.until;
        AdmissionConfig { lateness_ns, horizon_ns, outliers, is_pooled, until, ..usual }
    }

    fn pools(&self, symbols: &Symbols) -> Vec<PoolPlan> {
        let (config, symbols) = (self.config(0, self.started_at), symbols.clone());
        let horizon_ns = config.horizon_ns;
        let judge: MakeJudge = Arc::new(move || {
            let judge = SymbolJudge::new(config.clone(), EpochLength::SECOND, symbols.clone());
            Box::new(judge)
        });
        let pool = PoolPlan { horizon_ns, behind: None, judge };
        self.pooled.then_some(pool).into_iter().collect()
    }

    fn timing(&self, number: usize) -> (i64, i64) {
        self.timings[number % self.timings.len()]
    }
}

/// A feed that has nothing most times it is polled, and wakes its worker a little later.
struct Slow {
    feed: MemoryFeed,
    wait: usize,
    polls: usize,
    waker: Option<Waker>,
}

impl Feed for Slow {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        self.polls += 1;
        if !self.polls.is_multiple_of(self.wait + 1) {
            if let Some(waker) = self.waker.clone() {
                std::thread::spawn(move || waker());
            }
            return Ok(Fed::Pending);
        }
        self.feed.poll()
    }

    fn recycle(&mut self, batch: Box<Decoded>) {
        self.feed.recycle(batch);
    }

    fn wake_by(&mut self, waker: Waker) {
        self.waker = Some(waker);
    }

    fn source_of(&self, offset: Offset) -> String {
        self.feed.source_of(offset)
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

/// What a graph made of logs.
pub struct Made {
    pub memory: MemorySink,
    pub outcome: Outcome,
    /// Symbols that were named because several partitions hold them.
    pub spread: Vec<String>,
}

impl Made {
    /// Every change of every table, and every letter.
    pub fn changes(&self) -> String {
        self.memory.dump_changes()
    }

    /// The values of every key, without when and how often they changed.
    pub fn final_values(&self) -> String {
        let dump = self.memory.dump();
        let lines = dump.lines().filter(|line| !line.starts_with("refused"));
        lines
            .map(|line| line.split(" | revision").next().unwrap_or(line).to_owned() + "\n")
            .collect()
    }
}

pub fn plan(symbols: &Symbols, carry: bool, feeding: &Feeding, partitions: usize) -> Plan {
    let widths: Vec<_> =
        ["10s", "15s", "1min", "1h", "session"].map(|w| w.parse().unwrap()).to_vec();
    let list =
        "sma(3),ema(4),rsi(3),macd(2,4,3),bb(3,2),atr(3),obv,vwap,vwap(session),hv(3),mom(2)";
    let list = Registry::standard().parse_list(list).expect("known indicators");
    let timings: Vec<_> = (0..partitions).map(|number| feeding.timing(number)).collect();
    Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: timings.iter().map(|timing| timing.0).max().unwrap_or(0),
        horizons: Horizons::each(&timings.iter().map(|timing| timing.1).collect::<Vec<_>>()),
        course: dataflows::Course {
            until: feeding.until.map_or(market::Epoch::MAX, |until| EpochLength::SECOND.of(until)),
            ..dataflows::Course::default()
        },
        pools: feeding.pools(symbols),
        indicators: vec![
            IndicatorPlan { widths: vec![widths[0], widths[2]], list: list[..5].to_vec() },
            IndicatorPlan { widths: vec![widths[2], widths[3]], list: list[3..].to_vec() },
        ],
        widths,
        empty: if carry { Empty::Carry } else { Empty::Skip },
        symbols: symbols.clone(),
    }
}

pub fn run(logs: &[Log], workers: usize, carry: bool, feeding: &Feeding) -> Made {
    let cluster = Cluster { started_at: feeding.started_at, ..Cluster::local(workers) };
    run_on(cluster, logs, carry, feeding)
}

/// By two processes (here: two sets of workers that share nothing but a socket).
pub fn run_by_two(logs: &[Log], workers: usize, carry: bool, feeding: &Feeding) -> Made {
    // Both are held until both are known, so that they differ.
    let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let address = |port: &std::net::TcpListener| port.local_addr().expect("bound").to_string();
    let addresses: Vec<String> = ports.iter().map(address).collect();
    drop(ports);
    let feeding = Feeding { cuts: vec![13], ..feeding.clone() };
    // The second process was not there at the first start, and is told of it.
    let starts = [feeding.started_at, Time::GREATEST];
    let cluster = |process: usize| {
        let (addresses, started_at) = (addresses.clone(), starts[process]);
        Cluster { workers, process, addresses, started_at, ..Cluster::local(0) }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run_on(cluster(1), logs, carry, &feeding));
        run_on(cluster(0), logs, carry, &feeding)
    })
}

fn run_on(cluster: Cluster, logs: &[Log], carry: bool, feeding: &Feeding) -> Made {
    let symbols = Symbols::default();
    let open = |(number, log): (usize, &Log)| {
        let feeding = feeding.clone();
        let feed = log.feed(&symbols, &feeding.cuts, &feeding.exclusion);
        let wait = feeding.waits[number % feeding.waits.len()];
        let feed = Box::new(Slow { feed, wait, polls: 0, waker: None });
        let symbols = symbols.clone();
        let length = EpochLength::SECOND;
        Box::new(move |start: dataflows::Start| {
            let config = feeding.config(number, start.at);
            let partition = AdmittedPartition::new(feed, config, length, symbols, number as u32);
            let partition = partition.in_pool(feeding.pooled.then_some(0));
            Ok(Box::new(partition) as Box<dyn Partition>)
        }) as Opener
    };
    let partitions: Vec<Opener> = logs.iter().enumerate().map(open).collect();
    let memory = MemorySink::default();
    let sinks: Vec<Box<dyn market::Sink>> = vec![Box::new(memory.clone())];
    let plan = plan(&symbols, carry, feeding, logs.len());
    let (watch, spread) = (Watch::default(), Arc::new(Mutex::new(Vec::new())));
    let named = spread.clone();
    watch.progress.observe_by(Arc::new(move |event: Event<'_>| {
        if let Event::Spread(_, one) = event {
            named.lock().expect("no holder panics").push(one.to_owned());
        }
    }));
    let outcome = dataflows::run(plan, cluster, partitions, sinks, watch, None);
    let spread = std::mem::take(&mut *spread.lock().expect("no holder panics"));
    Made { memory, outcome: outcome.expect("the run ends well"), spread }
}
