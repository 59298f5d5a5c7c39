//! Corrections of simulated trades: which are cancelled and replaced, when and to what. Drawn by trade number, as all
//! else, from a stream of their own: without corrections the session is what it was.

use super::random::{Stream, unit};
use super::{CORRECTED_MAX, DELAY_MAX_NS, Simulation, Tick};
use market::{Price, Side, Size, Time, TransType};

/// Shortest time between a trade and its correction, or two corrections.
const DELAY_MIN_NS: i64 = Time::SECOND;
/// Numbers drawn for a trade.
const DRAWS: u64 = 32;
/// Those of one correction.
const DRAWS_EACH: u64 = 8;
/// One replace in so many is replaced once more; as many are cancelled.
const CORRECTED_ONE_IN: f64 = 8.0;
/// One correction in so many comes twice, one cancel before its trade, one with another of an unknown id.
const ODD_ONE_IN: f64 = 50.0;
/// Added to the id of a trade, it is the id of none.
const UNKNOWN_ID: u64 = 1 << 40;
/// How far a replace moves the time of a trade at most; one in four does.
const MOVED_MAX_NS: i64 = Time::SECOND / 2;

/// Least steps of the price and size of a symbol, raw.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) price: i64,
    pub(super) size: i64,
}

/// Decides what is corrected.
pub(super) struct Amends {
    cancel: f64,
    replace: f64,
    draw: Stream,
}

impl Amends {
    pub(super) fn new(simulation: &Simulation) -> Self {
        let Simulation { cancel, replace, seed, .. } = *simulation;
        Amends { cancel, replace, draw: Stream::new(seed, 8) }
    }

    /// Sends the corrections of a trade with their arrivals; the trade itself, which comes `delay` behind its time,
    /// is held up where its cancel comes first.
    pub(super) fn of(
        &self,
        number: u64,
        trade: Tick,
        steps: Steps,
        delay: &mut i64,
        send: &mut dyn FnMut(i64, Tick),
    ) {
        let at = |k: u64| self.draw.at(number * DRAWS + k);
        let lot = unit(at(0));
        if lot >= self.cancel + self.replace {
            return;
        }
        let cancels = lot < self.cancel;
        if cancels && unit(at(1)) * ODD_ONE_IN < 1.0 {
            let unknown = cancel(Tick { trade_id: trade.trade_id + UNKNOWN_ID, ..trade });
            send(trade.ts_event.ns() + *delay + wait(at(2)), unknown);
        }
        if cancels && unit(at(3)) * ODD_ONE_IN < 1.0 {
            *delay = (*delay).max(1 + (unit(at(4)) * Time::SECOND as f64) as i64);
            return send(trade.ts_event.ns(), cancel(trade));
        }
        let mut arrival = trade.ts_event.ns() + *delay;
        let mut record = trade;
        for step in 0..CORRECTED_MAX as u64 {
            let at = |k: u64| at((step + 1) * DRAWS_EACH + k);
            let lot = unit(at(0)) * CORRECTED_ONE_IN;
            record = match step {
                0 if cancels => cancel(record),
                0 => replaced(record, steps, [at(1), at(2), at(3)]),
                _ if record.trans == TransType::Cancel => return,
                _ if lot < 1.0 => replaced(record, steps, [at(1), at(2), at(3)]),
                _ if lot < 2.0 => cancel(record),
                _ => return,
            };
            arrival += wait(at(4));
            send(arrival, record);
            if unit(at(5)) * ODD_ONE_IN < 1.0 {
                // Before the next one, which would make another correction of it.
                send(arrival + 1 + (unit(at(6)) * (DELAY_MIN_NS - 2) as f64) as i64, record);
            }
        }
    }
}

/// From [`DELAY_MIN_NS`] to [`DELAY_MAX_NS`], the logarithm uniform.
fn wait(bits: u64) -> i64 {
    let span = libm::log(DELAY_MAX_NS as f64 / DELAY_MIN_NS as f64);
    let drawn = DELAY_MIN_NS as f64 * libm::exp(unit(bits) * span);
    (drawn as i64).clamp(DELAY_MIN_NS, DELAY_MAX_NS)
}

fn cancel(trade: Tick) -> Tick {
    Tick {
        ts_event: Time::default(),
        price: Price::from_raw(0),
        size: Size::from_raw(0),
        side: Side::Unknown,
        trans: TransType::Cancel,
        ..trade
    }
}

/// Some steps of price and size away, and at times another instant.
fn replaced(trade: Tick, steps: Steps, [price, size, time]: [u64; 3]) -> Tick {
    let away = 1 + (price >> 1 & 3) as i64;
    let step = if price & 1 == 0 { steps.price } else { -steps.price };
    let moved = trade.price.raw() + away * step;
    let earlier = match time & 3 {
        0 => (unit(time) * MOVED_MAX_NS as f64) as i64,
        _ => 0,
    };
    Tick {
        ts_event: Time::from_ns(trade.ts_event.ns() - earlier),
        price: Price::from_raw(moved.max(steps.price)),
        size: Size::from_raw((1 + (size & 7) as i64) * steps.size),
        trans: TransType::Replace,
        ..trade
    }
}
