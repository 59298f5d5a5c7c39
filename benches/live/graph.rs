//! The contestant: a partition that a thread reads from a socket, the whole graph on one worker, and its live view.

use super::{Bell, FRAME, SYMBOLS, Trade, read_frames};
use dataflows::{Cluster, Empty, Horizons, IndicatorPlan, LiveView, Opener, Plan, Watch};
use market::{
    Admitted, Counts, EpochLength, Offset, Partition, PartitionError, Polled, Price, Run, Size,
    SymbolId, Symbols, Time, Waker, Width,
};
use operators::indicator::Registry;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

const INDICATORS: &str = "sma(20),ema(12),ema(26),rsi(14),macd(12,26,9),bb(20,2)";
const WIDTHS: [&str; 3] = ["1s", "1min", "5min"];

/// What the reader has made ready.
#[derive(Default)]
struct Desk {
    batch: Option<Box<Admitted>>,
    #[expect(clippy::vec_box, reason = "the boxes are handed on as they are")]
    spare: Vec<Box<Admitted>>,
    ended: bool,
    waker: Option<Waker>,
}

/// Trades of a socket.
struct Socket(Arc<Mutex<Desk>>);

fn held(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().expect("no panic")
}

impl Partition for Socket {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        let mut desk = held(&self.0);
        Ok(match desk.batch.take() {
            Some(batch) => Polled::Batch(batch),
            None if desk.ended => Polled::End,
            None => Polled::Pending,
        })
    }

    fn recycle(&mut self, mut batch: Box<Admitted>) {
        batch.trades.clear();
        batch.runs.clear();
        held(&self.0).spare.push(batch);
    }

    fn wake_by(&mut self, waker: Waker) {
        held(&self.0).waker = Some(waker);
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

/// Decodes what comes into columns, and wakes the worker.
fn read(mut from: TcpStream, desk: &Mutex<Desk>, ids: &[SymbolId]) {
    let put = |frames: &[u8], ended: bool| {
        let mut held = held(desk);
        held.ended |= ended;
        let spare = held.spare.pop().unwrap_or_default();
        let batch = held.batch.get_or_insert(spare);
        for trade in frames.chunks(FRAME).map(Trade::of) {
            let (row, epoch) = (batch.trades.len() as u32, trade.ts_event.div_euclid(Time::SECOND));
            match batch.runs.last_mut() {
                Some(run) if run.epoch == epoch => run.rows.end = row + 1,
                _ => batch.runs.push(Run { epoch, rows: row..row + 1 }),
            }
            batch.trades.ts_event.push(Time::from_ns(trade.ts_event));
            batch.trades.symbol.push(ids[trade.symbol as usize]);
            batch.trades.price.push(Price::from_raw(trade.price));
            batch.trades.size.push(Size::from_raw(1_000_000_000));
            batch.trades.offset.push(Offset::in_file(0, trade.number));
        }
        let waker = held.waker.clone();
        drop(held);
        waker.iter().for_each(|waker| waker());
    };
    read_frames(&mut from, |frames| put(frames, false));
    put(&[], true);
}

/// Writes what the live view tells, until the run has ended.
fn publish(
    live: Arc<LiveView>,
    bell: Arc<Bell>,
    ended: Arc<Mutex<bool>>,
    mut to: TcpStream,
) -> JoinHandle<()> {
    let rung = bell.clone();
    live.wake_by(Arc::new(move || rung.ring()));
    std::thread::spawn(move || {
        let mut frames = Vec::new();
        loop {
            // What is told from here on rings.
            live.wait();
            let last = *ended.lock().expect("no panic");
            live.take(|newest, _| {
                let (number, symbol) = (newest.at.row(), newest.symbol.index() as u64);
                let (ts_event, price) = (newest.ts_event.ns(), newest.price.raw());
                frames.extend_from_slice(&Trade { number, ts_event, symbol, price }.frame());
            });
            to.write_all(&frames).expect("a receiver");
            frames.clear();
            if last {
                return;
            }
            bell.wait();
        }
    })
}

/// Reads one socket, and tells the other what is new.
pub fn run(from: TcpStream, to: TcpStream) {
    let symbols = Symbols::default();
    let intern = |n| symbols.intern(format!("S{n:04}").as_bytes()).expect("within the limit");
    let ids: Vec<_> = (0..SYMBOLS).map(intern).collect();
    let widths: Vec<Width> = WIDTHS.map(|text| text.parse().expect("a width")).to_vec();
    let list = Registry::standard().parse_list(INDICATORS).expect("valid");
    let plan = Plan {
        pools: Vec::new(),
        epoch: EpochLength::SECOND,
        lateness_ns: 0,
        horizons: Horizons::all(900 * Time::SECOND),
        course: dataflows::Course::default(),
        widths: widths.clone(),
        empty: Empty::Skip,
        indicators: vec![IndicatorPlan { widths: vec![widths[1]], list }],
        symbols,
    };
    let (desk, bell, ended) =
        (Arc::<Mutex<Desk>>::default(), Arc::<Bell>::default(), Arc::default());
    let live = Arc::new(LiveView::new(widths));
    let publisher = publish(live.clone(), bell.clone(), Arc::clone(&ended), to);
    let socket = Socket(desk.clone());
    let opener: Opener = Box::new(move |_| Ok(Box::new(socket)));
    let reader = std::thread::spawn(move || read(from, &desk, &ids));
    let watch = Watch { live: Some(live), ..Watch::default() };
    dataflows::run(plan, Cluster::local(1), vec![opener], Vec::new(), watch, None).expect("a run");
    reader.join().expect("a reader");
    *ended.lock().expect("no panic") = true;
    bell.ring();
    publisher.join().expect("a publisher");
}
