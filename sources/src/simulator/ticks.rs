//! The records of a session in order of arrival, one by one.

use super::amends::{Amends, Steps};
use super::instruments::{Instrument, instruments};
use super::random::{Alias, Stream, normal, unit};
use super::{DELAY_MAX_NS, DELAY_SHORT_MAX_NS, Simulation, SimulationError};
use market::{Price, Side, Size, Time, TransType};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Points of the table that turns trade numbers into times.
const CURVE_POINTS: usize = 1_024;

/// Volatility of the market factor, of a year of 252 sessions of 6.5 hours.
const MARKET_VOLATILITY: f64 = 0.16;
const YEAR_NS: f64 = 252.0 * 23_400e9;

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The price is negative.
    Price,
    /// The size is zero.
    Size,
    /// The time lies in 2099.
    Future,
    /// Milliseconds were taken for nanoseconds.
    Units,
    /// There is no symbol.
    Symbol,
}

/// A record of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Number of its symbol.
    pub symbol: u32,
    /// Event time.
    pub ts_event: Time,
    /// Price, nine digits.
    pub price: Price,
    /// Size, nine digits.
    pub size: Size,
    /// Rises by symbol.
    pub trade_id: u64,
    /// Aggressor.
    pub side: Side,
    /// Number of its venue, where the session has venues.
    pub venue: Option<u32>,
    /// What is wrong with it, if anything.
    pub flaw: Option<Flaw>,
    /// What it does; a cancel has no time, price, size and side.
    pub trans: TransType,
}

/// A symbol under way.
struct Walk {
    price: f64,
    time: i64,
    factor: f64,
    trades: u64,
    /// Volatility of its own a square root of a nanosecond.
    sigma: f64,
    beta: f64,
    tick: f64,
    tick_raw: i64,
    lot_raw: i64,
}

/// Numbers that the records of one trade have: itself, what comes twice, a bad one, and its corrections.
const SLOTS: u64 = 16;

/// An event on its way: arrival, number, record. Numbers are unique.
type Delayed = Reverse<(i64, u64, OrdTick)>;

/// The records of the symbols of one partition, in order of arrival.
pub struct Ticks {
    simulation: Simulation,
    partition: u32,
    partitions: u32,
    names: Vec<String>,
    walks: Vec<Walk>,
    alias: Alias,
    /// The market factor by seconds.
    market: Vec<f64>,
    curve: Vec<f64>,
    draws: [Stream; 4],
    fates: Stream,
    amends: Amends,
    next: u64,
    ready: Option<(i64, u64, Tick)>,
    delayed: BinaryHeap<Delayed>,
}

impl Ticks {
    /// The records of the symbols whose number leaves `partition` when divided by `partitions`.
    ///
    /// # Errors
    /// As [`Simulation::check`].
    pub fn new(
        simulation: &Simulation,
        partition: u32,
        partitions: u32,
    ) -> Result<Self, SimulationError> {
        simulation.check()?;
        let all = instruments(simulation.symbols, simulation.seed);
        let weights: Vec<f64> = all.iter().map(|instrument| instrument.weight).collect();
        let start = simulation.start.ns();
        Ok(Ticks {
            partition,
            partitions: partitions.max(1),
            walks: all.iter().map(|instrument| Walk::new(instrument, start)).collect(),
            names: all.into_iter().map(|instrument| instrument.name).collect(),
            alias: Alias::new(&weights),
            market: market_factor(simulation),
            curve: curve(),
            draws: [2, 3, 4, 5].map(|stream| Stream::new(simulation.seed, stream)),
            fates: Stream::new(simulation.seed, 6),
            amends: Amends::new(simulation),
            simulation: simulation.clone(),
            next: 0,
            ready: None,
            delayed: BinaryHeap::new(),
        })
    }

    /// Names of the symbols, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether some records correct others.
    pub(super) fn has_corrections(&self) -> bool {
        self.simulation.cancel + self.simulation.replace > 0.0
    }

    /// Whether trades carry a venue.
    pub(super) fn has_venue(&self) -> bool {
        self.simulation.venues > 0
    }

    /// How far the session is, 0 to 1.
    pub fn progress(&self) -> f64 {
        self.next as f64 / self.simulation.trades as f64
    }

    /// The next trade of this partition in order of event time, with its number.
    fn trade(&mut self) -> Option<(u64, Tick)> {
        while self.next < self.simulation.trades {
            let number = self.next;
            self.next += 1;
            let symbol = self.alias.draw(self.draws[0].at(number));
            if self.partitions == 1 || symbol % self.partitions == self.partition {
                return Some((number, self.tick(number, symbol)));
            }
        }
        None
    }

    fn tick(&mut self, number: u64, symbol: u32) -> Tick {
        let [one, two, three] = [1, 2, 3].map(|k| self.draws[k].at(number));
        let ts = self.time(number, unit(one));
        let factor = self.factor(ts);
        let walk = &mut self.walks[symbol as usize];
        let elapsed = (ts - walk.time) as f64;
        let change = walk.beta * (factor - walk.factor) + walk.sigma * elapsed.sqrt() * normal(two);
        walk.price = (walk.price * (1.0 + change)).clamp(4.0 * walk.tick, 1e9);
        (walk.time, walk.factor) = (ts, factor);
        walk.trades += 1;
        let side = if three & 1 == 0 { Side::Ask } else { Side::Bid };
        // A buyer pays half a tick more than the middle, a seller gets half a tick less.
        let bounce = if side == Side::Bid { 0.5 } else { -0.5 };
        let ticks = (walk.price / walk.tick + bounce).round_ties_even() as i64;
        let tail = (three >> 1).trailing_zeros().min(8);
        let lots = 1 + ((three >> 32) & ((1 << tail) - 1)) as i64;
        let venue = (self.simulation.venues > 0)
            .then(|| (three >> 20) as u32 % self.simulation.venues.max(1));
        Tick {
            symbol,
            ts_event: Time::from_ns(ts),
            price: Price::from_raw(ticks.max(1) * walk.tick_raw),
            size: Size::from_raw(lots * walk.lot_raw),
            trade_id: walk.trades,
            side,
            venue,
            flaw: None,
            trans: TransType::New,
        }
    }

    /// Rises with the number: each trade has its own slot, and `u` says where in it.
    fn time(&self, number: u64, u: f64) -> i64 {
        let share = (number as f64 + u) / self.simulation.trades as f64 * CURVE_POINTS as f64;
        let at = (share as usize).min(CURVE_POINTS - 1);
        let (low, high) = (self.curve[at], self.curve[at + 1]);
        let into = low + (high - low) * (share - at as f64);
        self.simulation.start.ns() + (into * self.simulation.session_ns as f64) as i64
    }

    fn factor(&self, ts: i64) -> f64 {
        let into = (ts - self.simulation.start.ns()) as f64 / 1e9;
        let at = (into as usize).min(self.market.len() - 2);
        self.market[at] + (self.market[at + 1] - self.market[at]) * (into - at as f64)
    }

    /// How late the trade comes, and what comes beside it.
    fn send(&mut self, number: u64, tick: Tick) {
        let simulation = &self.simulation;
        let fate = self.fates;
        let (lot, span) = (unit(fate.at(3 * number)), fate.at(3 * number + 1));
        let ts = tick.ts_event.ns();
        let mut delay = if lot < simulation.late_long {
            DELAY_SHORT_MAX_NS + exponential(span, DELAY_MAX_NS - DELAY_SHORT_MAX_NS)
        } else if lot < simulation.late_long + simulation.late_short {
            1 + (unit(span) * (DELAY_SHORT_MAX_NS - 1) as f64) as i64
        } else {
            0
        };
        let other = fate.at(3 * number + 2);
        if unit(other) < simulation.duplicate {
            let later = ts + delay + 1 + exponential(other.rotate_left(32), DELAY_MAX_NS / 2);
            self.delayed.push(Reverse((later, number * SLOTS + 1, OrdTick(tick))));
        }
        if unit(other.rotate_left(24)) < simulation.bad {
            let bad = flawed(tick, other.rotate_left(48));
            self.delayed.push(Reverse((ts, number * SLOTS + 2, OrdTick(bad))));
        }
        let walk = &self.walks[tick.symbol as usize];
        let steps = Steps { price: walk.tick_raw, size: walk.lot_raw };
        let delayed = &mut self.delayed;
        let mut slot = number * SLOTS + 3;
        self.amends.of(number, tick, steps, &mut delay, &mut |arrival, record| {
            delayed.push(Reverse((arrival, slot, OrdTick(record))));
            slot += 1;
        });
        if delay == 0 {
            self.ready = Some((ts, number * SLOTS, tick));
        } else {
            self.delayed.push(Reverse((ts + delay, number * SLOTS, OrdTick(tick))));
        }
    }
}

impl Iterator for Ticks {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        loop {
            let reached = self.ready.as_ref().map(|&(ts, number, _)| (ts, number));
            if let Some(Reverse((arrival, number, OrdTick(tick)))) = self.delayed.peek() {
                // Nothing still to come arrives before the trade that is ready.
                let first = reached.map_or(self.next >= self.simulation.trades, |ready| {
                    (*arrival, *number) < ready
                });
                if first {
                    let tick = *tick;
                    self.delayed.pop();
                    return Some(tick);
                }
            }
            if let Some((_, _, tick)) = self.ready.take() {
                return Some(tick);
            }
            match self.trade() {
                Some((number, tick)) => self.send(number, tick),
                None if self.delayed.is_empty() => return None,
                None => {}
            }
        }
    }
}

impl Walk {
    fn new(instrument: &Instrument, start: i64) -> Self {
        let own = instrument.volatility * instrument.volatility;
        let shared = instrument.beta * MARKET_VOLATILITY;
        Walk {
            price: instrument.price,
            time: start,
            factor: 0.0,
            trades: 0,
            sigma: ((own - shared * shared).max(own / 4.0) / YEAR_NS).sqrt(),
            beta: instrument.beta,
            tick: instrument.tick as f64 / 1e9,
            tick_raw: instrument.tick,
            lot_raw: instrument.lot,
        }
    }
}

/// A record that goes with others by arrival and number alone.
#[derive(Clone, Copy)]
struct OrdTick(Tick);

impl PartialEq for OrdTick {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for OrdTick {}

impl PartialOrd for OrdTick {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrdTick {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

fn flawed(tick: Tick, bits: u64) -> Tick {
    let year_2099 = 4_070_908_800 * Time::SECOND;
    let time = |ns| Time::from_ns(ns);
    match bits % 5 {
        0 => Tick { price: Price::from_raw(-tick.price.raw()), flaw: Some(Flaw::Price), ..tick },
        1 => Tick { size: Size::from_raw(0), flaw: Some(Flaw::Size), ..tick },
        2 => Tick { ts_event: time(year_2099), flaw: Some(Flaw::Future), ..tick },
        3 => {
            Tick { ts_event: time(tick.ts_event.ns() / 1_000_000), flaw: Some(Flaw::Units), ..tick }
        }
        _ => Tick { flaw: Some(Flaw::Symbol), ..tick },
    }
}

/// Exponential with a mean of a sixth of `max`, cut there.
fn exponential(bits: u64, max: i64) -> i64 {
    let drawn = -libm::log(1.0 - unit(bits)) * max as f64 / 6.0;
    (drawn as i64).clamp(1, max)
}

/// The market factor at each second of the session, and one beyond.
fn market_factor(simulation: &Simulation) -> Vec<f64> {
    let draw = Stream::new(simulation.seed, 7);
    let step = MARKET_VOLATILITY * (1e9 / YEAR_NS).sqrt();
    let seconds = (simulation.session_ns / Time::SECOND + 2) as u64;
    let mut factor = 0.0;
    let mut path = vec![0.0];
    path.extend((0..seconds).map(|second| {
        factor += step * normal(draw.at(second));
        factor
    }));
    path
}

/// Inverts the share of trades at a share `u` of the session, whose density is `0.6 + 1.2 (2u - 1)^2`.
fn curve() -> Vec<f64> {
    let share = |u: f64| {
        let x = 2.0 * u - 1.0;
        0.6 * u + 0.2 * (x * x * x + 1.0)
    };
    let invert = |wanted: f64| {
        let (mut low, mut high) = (0.0f64, 1.0f64);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if share(middle) < wanted { low = middle } else { high = middle }
        }
        low
    };
    (0..=CURVE_POINTS).map(|k| invert(k as f64 / CURVE_POINTS as f64)).collect()
}
