//! What the graph adds to a trade's way from a socket to a socket: the live view beside a bare relay, p50, p99 and p99.9.
//!
//! ```text
//! plan ─> socket ─> reader ─> worker (the graph, or nothing) ─> publisher ─> socket ─> clock
//! ```
//! Both have the same sockets, frames and threads, woken alike. A trade's time runs from when the plan has it sent, not
//! from when it was, until the first value of its symbol arrives that is as new: a conflated one is no slower.
//!
//! `cargo bench --bench live [-- SECONDS RUNS]`; `scripts/bench` reads the lines that begin with `figure`.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod graph;
mod relay;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SYMBOLS: usize = 1_000;
const RATES: [u64; 3] = [10_000, 50_000, 100_000];
/// Trades a second for which the bound holds: all of them.
const ADDED_MS_MAX: f64 = 0.2;
/// How often the plan is looked at.
const TICK: Duration = Duration::from_micros(50);
/// Not measured: caches, buffers and arrays become warm.
const WARM_UP_S: f64 = 1.0;

/// What travels: number of the trade, when it happened, symbol, price.
const FRAME: usize = 32;
type Frame = [u8; FRAME];

/// One trade of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trade {
    number: u64,
    ts_event: i64,
    symbol: u64,
    price: i64,
}

impl Trade {
    fn frame(self) -> Frame {
        let mut frame = [0; FRAME];
        let words = [self.number, self.ts_event as u64, self.symbol, self.price as u64];
        for (to, word) in frame.chunks_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        frame
    }

    fn of(frame: &[u8]) -> Self {
        let mut words =
            frame.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        let mut next = || words.next().expect("four words");
        Trade { number: next(), ts_event: next() as i64, symbol: next(), price: next() as i64 }
    }
}

/// What is to be sent, and when.
#[derive(Clone, Copy)]
struct Course {
    rate: u64,
    count: u64,
    began: Instant,
    /// The event time of the first trade.
    from_ns: i64,
}

impl Course {
    fn new(rate: u64, seconds: f64) -> Self {
        let (began, now) = (Instant::now(), SystemTime::now());
        let from_ns = now.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i64;
        Course { rate, count: ((seconds + WARM_UP_S) * rate as f64) as u64, began, from_ns }
    }

    fn after(&self, number: u64) -> Duration {
        Duration::from_nanos(number * 1_000_000_000 / self.rate)
    }

    fn trade(&self, number: u64) -> Trade {
        // Symbols come in an order that is no order of theirs.
        let symbol = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let price = 100_000_000_000 + (number as i64 * 7_919) % 1_000_000_000;
        let ts_event = self.from_ns + self.after(number).as_nanos() as i64;
        Trade { number, ts_event, symbol: symbol % SYMBOLS as u64, price }
    }

    /// Sends every trade as soon as its time has come, those that are due in one call.
    fn send(self, mut to: TcpStream) {
        let (mut next, mut bytes) = (0, Vec::new());
        while next < self.count {
            let passed = self.began.elapsed();
            bytes.clear();
            while next < self.count && self.after(next) <= passed {
                bytes.extend_from_slice(&self.trade(next).frame());
                next += 1;
            }
            to.write_all(&bytes).expect("a reader");
            std::thread::sleep(TICK);
        }
    }

    /// How late each trade's value arrived, in milliseconds.
    fn receive(self, mut from: TcpStream) -> Vec<f64> {
        let mut waiting: Vec<Vec<u64>> = vec![Vec::new(); SYMBOLS];
        let (mut sent, mut late) = (0, Vec::with_capacity(self.count as usize));
        let warm = (WARM_UP_S * self.rate as f64) as u64;
        read_frames(&mut from, |frames| {
            let passed = self.began.elapsed();
            for trade in frames.chunks(FRAME).map(Trade::of) {
                while sent <= trade.number {
                    waiting[self.trade(sent).symbol as usize].push(sent);
                    sent += 1;
                }
                let own = &mut waiting[trade.symbol as usize];
                let there = own.partition_point(|number| *number <= trade.number);
                let timed = own.drain(..there).filter(|number| *number >= warm);
                late.extend(timed.map(|number| (passed - self.after(number)).as_secs_f64() * 1e3));
            }
        });
        late
    }
}

/// Hands over whole frames as they come, until the other side is done.
fn read_frames(from: &mut TcpStream, mut each: impl FnMut(&[u8])) {
    let (mut bytes, mut held) = (vec![0; 1 << 16], 0);
    loop {
        let read = from.read(&mut bytes[held..]).expect("a socket");
        if read == 0 {
            return;
        }
        held += read;
        let whole = held - held % FRAME;
        each(&bytes[..whole]);
        bytes.copy_within(whole..held, 0);
        held -= whole;
    }
}

/// A flag that a thread sleeps on.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().expect("no panic") = true;
        self.rings.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().expect("no panic");
        while !std::mem::take(&mut *rung) {
            rung = self.rings.wait(rung).expect("no panic");
        }
    }
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let one = TcpStream::connect(listener.local_addr().expect("an address")).expect("a socket");
    let (other, _) = listener.accept().expect("a socket");
    for stream in [&one, &other] {
        stream.set_nodelay(true).expect("a socket");
    }
    (one, other)
}

/// What lies between the sockets.
type Middle = fn(TcpStream, TcpStream);

/// Runs a plan through a contestant; how late each trade was, sorted.
fn run(middle: Middle, rate: u64, seconds: f64) -> Vec<f64> {
    let ((to, from), (out, back)) = (connected(), connected());
    let between = std::thread::spawn(move || middle(from, out));
    // The graph has begun by then.
    std::thread::sleep(Duration::from_millis(300));
    let course = Course::new(rate, seconds);
    let receiver = std::thread::spawn(move || course.receive(back));
    course.send(to);
    between.join().expect("a contestant that ends well");
    let mut late = receiver.join().expect("a receiver");
    assert_eq!(late.len() as u64, course.count - (WARM_UP_S * rate as f64) as u64);
    late.sort_by(f64::total_cmp);
    late
}

fn at(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let numbers: Vec<f64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let [seconds, runs] =
        [(0, 5.0), (1, 5.0)].map(|(at, or)| numbers.get(at).copied().unwrap_or(or));
    for rate in RATES {
        let mut parts: [[Vec<f64>; 3]; 2] = Default::default();
        let contestants: [Middle; 2] = [relay::run, graph::run];
        for turn in 0..runs as usize {
            // Forth and back, so that neither gains from a machine that slows down or speeds up.
            for which in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
                let late = run(contestants[which], rate, seconds);
                for (part, of) in parts[which].iter_mut().zip([0.5, 0.99, 0.999]) {
                    part.push(at(&late, of));
                }
            }
        }
        let [relay, graph] = parts.map(|parts| parts.map(median));
        let detail = format!(
            "p50 {:.3}, p99 {:.3}, p99.9 {:.3} ms; relay {:.3}, {:.3}, {:.3} ms",
            graph[0], graph[1], graph[2], relay[0], relay[1], relay[2]
        );
        println!("{rate} trades/s: {detail}");
        let added = graph[1] - relay[1];
        println!(
            "figure\tlive view at {rate}/s, ms added at p99\tbare relay\t{added:.3}\t{ADDED_MS_MAX}\t{detail}"
        );
    }
}
