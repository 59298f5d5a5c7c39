//! One bar of 4,000 symbols with 20 indicators each through the whole graph on one worker, state copies
//! on: from the trades that close the bar to the last row at a sink. Median and worst of 1,000 bars.
//!
//! `cargo bench --bench latency`; `scripts/bench` reads the line that begins with `figure`: name,
//! reference, ratio, bound, detail. The next bar's trades are held back until the last rows are there,
//! so that nothing waits in a queue.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use dataflows::{Cluster, Empty, Horizons, IndicatorPlan, Opener, Plan, Watch};
use market::{
    Admitted, Counts, EpochLength, Offset, Partition, PartitionError, Polled, Price, Rows, Run,
    Sink, SinkError, Size, SymbolId, Symbols, Time, Trades, Waker,
};
use operators::indicator::Registry;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const SYMBOLS: usize = 4_000;
const WARM_UP: usize = 100;
const BARS: usize = 1_000;
const MINUTE_NS: i64 = 60 * Time::SECOND;
const MEDIAN_MS_MAX: f64 = 3.0;
const TWENTY: &str = "sma(20),sma(50),ema(12),ema(26),ema(20, of=volume),rsi(14),macd(12,26,9),\
    bb(20,2),atr(14),obv,vwap,vwap(session),hv(20),mom(10),roc(10),sma(10),ema(9),rsi(7),bb(50,2),sma(20, of=volume)";

/// Wakes the partition when a bar's rows are all there.
type SharedWaker = Arc<Mutex<Option<Waker>>>;

/// Hands out a minute's trades at a time, the next ones when the rows of those before came back.
struct Minutes {
    symbols: Vec<SymbolId>,
    minute: usize,
    sent: Option<Instant>,
    arrived: Receiver<Instant>,
    waker: SharedWaker,
    times_ms: Arc<Mutex<Vec<f64>>>,
}

impl Minutes {
    fn batch(&self) -> Box<Admitted> {
        let at = Time::from_ns(28_000_000 * MINUTE_NS + self.minute as i64 * MINUTE_NS);
        let mut trades = Trades::default();
        for (n, &symbol) in self.symbols.iter().enumerate() {
            let step = (n * 31 + self.minute * 17) % 41;
            trades.ts_event.push(at);
            trades.symbol.push(symbol);
            trades.price.push(Price::from_raw((10_000 + 37 * n as i64 + step as i64) * 10_000_000));
            trades.size.push(Size::from_raw((1 + step as i64) * 1_000_000_000));
            trades.offset.push(Offset::in_file(0, (self.minute * SYMBOLS + n) as u64));
        }
        let runs = vec![Run { epoch: EpochLength::SECOND.of(at), rows: 0..SYMBOLS as u32 }];
        Box::new(Admitted { trades: trades.into(), runs, ..Admitted::default() })
    }
}

impl Partition for Minutes {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        if let (Some(sent), true) = (self.sent, self.minute > 1) {
            let Ok(arrived) = self.arrived.try_recv() else { return Ok(Polled::Pending) };
            let took = arrived.duration_since(sent).as_secs_f64() * 1e3;
            self.times_ms.lock().expect("no panic").push(took);
        }
        if self.minute == WARM_UP + BARS {
            return Ok(Polled::End);
        }
        let batch = self.batch();
        self.minute += 1;
        self.sent = Some(Instant::now());
        Ok(Polled::Batch(batch))
    }

    fn recycle(&mut self, _: Box<Admitted>) {}

    fn wake_by(&mut self, waker: Waker) {
        *self.waker.lock().expect("no panic") = Some(waker);
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

/// Tells when it was handed the last indicator row of a bar.
struct Arrivals {
    rows: usize,
    arrived: Sender<Instant>,
    waker: SharedWaker,
}

impl Sink for Arrivals {
    fn name(&self) -> &str {
        "arrivals"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        if rows.table.name != "technical_indicators" {
            return Ok(());
        }
        self.rows += rows.len();
        if self.rows >= SYMBOLS {
            self.rows -= SYMBOLS;
            // The partition is gone once it has all it waits for.
            let _ = self.arrived.send(Instant::now());
            if let Some(waker) = &*self.waker.lock().expect("no panic") {
                waker();
            }
        }
        Ok(())
    }
}

fn main() {
    let symbols = Symbols::default();
    let intern = |n| symbols.intern(format!("S{n:04}").as_bytes()).expect("within the limit");
    let ids: Vec<_> = (0..SYMBOLS).map(intern).collect();
    let list = Registry::standard().parse_list(TWENTY).expect("valid");
    assert_eq!(list.len(), 20);
    let width: market::Width = "1min".parse().expect("a width");
    let plan = Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: 0,
        horizons: Horizons::all(15 * MINUTE_NS),
        course: dataflows::Course::default(),
        pools: Vec::new(),
        widths: vec![width],
        empty: Empty::Skip,
        indicators: vec![IndicatorPlan { widths: vec![width], list }],
        symbols,
    };
    let (sender, arrived) = channel();
    let waker = SharedWaker::default();
    let times_ms = Arc::new(Mutex::new(Vec::with_capacity(WARM_UP + BARS)));
    let (sent, minute) = (None, 0);
    let minutes = Minutes {
        symbols: ids,
        minute,
        sent,
        arrived,
        waker: waker.clone(),
        times_ms: times_ms.clone(),
    };
    let opener: Opener = Box::new(move |_| Ok(Box::new(minutes)));
    let sink = Box::new(Arrivals { rows: 0, arrived: sender, waker });
    let cluster = Cluster::local(1);
    dataflows::run(plan, cluster, vec![opener], vec![sink], Watch::default(), None).expect("a run");

    let mut times = times_ms.lock().expect("no panic").split_off(WARM_UP - 1);
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let bars = times.len();
    println!(
        "{SYMBOLS} symbols x 20 indicators, {bars} bars: median {median:.2} ms, worst {worst:.2} ms"
    );
    let detail = format!("worst {worst:.2} ms of {bars} bars");
    println!(
        "figure\t{SYMBOLS} symbols x 20, median\t1 ms\t{median:.3}\t{MEDIAN_MS_MAX}\t{detail}"
    );
}
