//! Laws of admission on random logs: an oracle that remembers everything agrees, batch cuts are invisible,
//! and a snapshot at any cut goes on the same, in another process's symbol ids too.

use super::kept::Kept;
use super::parts::Part;
use super::record::Record;
use crate::*;
use market::*;
use proptest::prelude::*;

const S: i64 = Time::SECOND;
/// Half a minute before midnight, so that logs cross it.
pub(super) const T0: i64 = 1_704_239_970 * S;
const NAMES: [&str; 4] = ["AA", "BB", "CC", "DD"];

#[derive(Clone, Debug)]
pub(super) enum Event {
    Trade { ts: i64, symbol: usize, venue: usize, id: TradeId, price: i64 },
    Beat(i64),
    Broken,
}

/// A verdict on the record at an offset: its epoch, and a reason where it is refused.
type Verdict = (u64, Epoch, Option<Reason>);

pub(super) fn config() -> AdmissionConfig {
    AdmissionConfig {
        lateness_ns: 2 * S,
        horizon_ns: 10 * S,
        max_jump_ns: 15 * S,
        symbols_max: 3,
        outliers: OutlierRule::new(OutlierMode::Refuse, 12.0, 2).unwrap(),
        ..AdmissionConfig::new(Time::from_ns(T0 + 100_000 * S))
    }
}

/// Times that no record can have, and the nearest that one can.
const EXTREMES: [i64; 6] = [
    i64::MIN,
    Time::LEAST.ns() - 1,
    Time::LEAST.ns(),
    Time::GREATEST.ns(),
    Time::GREATEST.ns() + 1,
    i64::MAX,
];

/// Steps of time, mostly small; ids that mostly rise, restart, repeat, are text or none.
pub(super) fn events() -> impl Strategy<Value = Vec<Event>> {
    let step = prop_oneof![
        12 => 0..S / 4,
        4 => -4 * S..0,
        1 => -14 * S..-9 * S,
        1 => 14 * S..60 * S,
        1 => Just(1_000_000 * S),
        1 => Just(0),
    ];
    let id = prop_oneof![10 => Just(0u64), 4 => 1..6u64, 2 => 20..200u64, 1 => Just(1_000), 1 => Just(2_000)];
    let price = prop_oneof![40 => 990..1_010i64, 1 => Just(0), 1 => Just(-5), 3 => Just(5_000)];
    let trade = (step, 0..4usize, 0..2usize, id, price);
    proptest::collection::vec((0..30u8, trade, any::<bool>()), 1..400).prop_map(|rows| {
        let (mut now, mut next) = (T0, 1_000u64);
        let mut events = Vec::new();
        for (kind, (step, symbol, venue, back, price), keep) in rows {
            let ts = now + step;
            // Absurd times are tried and left; others move the log on, half of the jumps too.
            if step < 20 * S || (keep && step < 1_000 * S) {
                now = now.max(ts);
            }
            next += 1;
            let id = match back {
                1_000 => TradeId::NONE,
                2_000 => TradeId::from_text(format!("x{}", next % 7).as_bytes()),
                back => TradeId::from_number(next.saturating_sub(back)),
            };
            let symbol = if symbol == 3 && kind > 3 { 0 } else { symbol };
            events.push(match kind {
                0 => Event::Beat(ts),
                1 => Event::Broken,
                2 => Event::Beat(EXTREMES[next as usize % 6]),
                3 => Event::Trade { ts: EXTREMES[next as usize % 6], symbol, venue, id, price },
                _ => Event::Trade { ts, symbol, venue, id, price },
            });
        }
        events
    })
}

pub(super) fn batch(events: &[Event], first: usize, symbols: &Symbols, venues: bool) -> Decoded {
    let mut batch = Decoded::default();
    let id = |name: &str| symbols.intern(name.as_bytes()).unwrap();
    for (k, event) in events.iter().enumerate() {
        let (before_row, offset) =
            (batch.trades.len() as u32, Offset::in_file(0, (first + k) as u64));
        match *event {
            Event::Beat(ts) => {
                batch.heartbeats.push(Heartbeat { before_row, offset, time: Time::from_ns(ts) });
            }
            Event::Broken => batch.undecoded.push(Undecoded {
                before_row,
                offset,
                reason: Reason::Malformed,
                detail: String::new(),
                raw: String::new(),
                symbol: None,
                ts_event: None,
            }),
            Event::Trade { ts, symbol, venue, id: trade_id, price } => {
                batch.trades.ts_event.push(Time::from_ns(ts));
                batch.trades.symbol.push(id(NAMES[symbol]));
                batch.trades.price.push(Price::from_raw(price));
                batch.trades.size.push(Size::from_raw(1));
                batch.trades.offset.push(offset);
                batch.trades.trade_id.push(trade_id);
                if venues {
                    batch.trades.venue.push(id(["XNAS", "ARCX"][venue]));
                }
            }
        }
    }
    batch
}

/// A log's verdicts through admission: cut into batches; from batch `restart` on, if any, at every third into a
/// snapshot, or what checkpoints keep, and out of it with other symbol ids.
fn judged(
    events: &[Event],
    venues: bool,
    config: &AdmissionConfig,
    cuts: &[usize],
    restart: Option<usize>,
) -> Vec<Verdict> {
    let (mut symbols, length) = (Symbols::default(), EpochLength::SECOND);
    let mut admission = Admission::new(config.clone(), length, symbols.clone(), 0);
    let (mut verdicts, mut kept) = (Vec::new(), Kept::default());
    let mut at = 0;
    for number in 0.. {
        let restarts = restart.is_some_and(|first| number >= first && (number - first) % 3 == 0);
        if restart.is_some() && (restarts || number % 2 == 1) {
            kept.cut(&mut admission);
        }
        if restarts {
            let whole = admission.snapshot();
            let bytes = if number % 4 == 0 { whole.clone() } else { kept.bytes() };
            symbols = Symbols::default();
            for name in NAMES.iter().rev() {
                symbols.intern(name.as_bytes()).unwrap();
            }
            let (config, table) = (config.clone(), symbols.clone());
            admission = Admission::restore(config, length, table, 0, &bytes).unwrap();
            assert_eq!(admission.snapshot().len(), whole.len());
            if number % 4 == 0 {
                kept.begin(&whole);
            }
        }
        let end = (at + cuts[number % cuts.len()].max(1)).min(events.len());
        // A feed that begins somewhere before the cut brings what was judged once more.
        let from = at - at.min(number % 7) * usize::from(restarts);
        let mut decoded = batch(&events[from..end], from, &symbols, venues);
        let Part { runs, letters, .. } = match (at == events.len(), restarts) {
            (true, _) => admission.finish(&mut decoded),
            (false, true) => admission.admit_behind(&mut decoded),
            (false, false) => admission.admit(&mut decoded),
        };
        let mut part: Vec<Verdict> = Vec::new();
        for run in &runs {
            for row in run.rows.clone() {
                part.push((decoded.trades.offset[row as usize].row(), run.epoch, None));
            }
        }
        verdicts.extend(part);
        verdicts.extend(letters.iter().map(|l| (l.offset.row(), l.epoch, Some(l.reason))));
        if at == events.len() {
            break;
        }
        at = end;
    }
    let counts = admission.counts();
    assert_eq!(counts.read, counts.used + counts.refused_total());
    // Runs and letters are two sequences, each in order of decision.
    verdicts.sort_by_key(|&(_, _, reason)| reason.is_some());
    verdicts
}

/// Everything that was ever admitted, asked trade by trade.
struct Oracle {
    config: AdmissionConfig,
    greatest: Option<i64>,
    beat: i64,
    reach: i64,
    admitted: Vec<Record>,
    levels: std::collections::BTreeMap<SymbolId, super::outlier::Level>,
    waiting: Vec<(u64, Option<Record>, i64)>,
    verdicts: Vec<Verdict>,
}

impl Oracle {
    fn watermark(&self) -> i64 {
        let trades = self.greatest.map_or(i64::MIN, |ts| ts - self.config.lateness_ns);
        trades.max(self.beat)
    }

    fn epoch(&self) -> Epoch {
        match self.watermark() {
            i64::MIN => Epoch::MIN,
            watermark => watermark.div_euclid(S),
        }
    }

    fn say(&mut self, offset: u64, reason: Option<Reason>) {
        self.verdicts.push((offset, self.epoch(), reason));
    }

    fn floor(&self) -> i64 {
        self.watermark().saturating_sub(self.config.horizon_ns)
    }

    fn leaps(&self, ts: i64) -> bool {
        self.reach != i64::MIN && ts > self.reach + self.config.max_jump_ns
    }

    fn decide(&mut self, confirmed: bool) {
        for (offset, record, ts) in std::mem::take(&mut self.waiting) {
            match record {
                _ if !confirmed => self.say(offset, Some(Reason::Jump)),
                Some(record) => self.settle(offset, record),
                None => {
                    self.beat = self.beat.max(ts);
                    self.reach = self.reach.max(ts);
                }
            }
        }
    }

    fn record(&mut self, offset: u64, record: Option<Record>, ts: i64) {
        if !(Time::LEAST.ns()..=Time::GREATEST.ns()).contains(&ts) {
            return self.say(offset, Some(Reason::Time));
        }
        if ts > self.config.started_at.ns() + self.config.max_ahead_ns {
            return self.say(offset, Some(Reason::Future));
        }
        if record.is_some_and(|record| record.price.raw() <= 0) {
            return self.say(offset, Some(Reason::Price));
        }
        if record.is_some() && ts < self.floor() {
            return self.say(offset, Some(Reason::Horizon));
        }
        if let Some(&(_, first, first_ts)) = self.waiting.first() {
            let is_copy = match (first, record) {
                (Some(first), Some(record)) => record.is_copy_of(&first),
                (None, None) => ts == first_ts,
                _ => false,
            };
            if is_copy && record.is_none() {
                return;
            }
            if is_copy {
                return self.waiting.push((offset, record, ts));
            }
            self.decide(self.leaps(ts));
            if record.is_some() && ts < self.floor() {
                return self.say(offset, Some(Reason::Horizon));
            }
        }
        if self.leaps(ts) {
            return self.waiting.push((offset, record, ts));
        }
        match record {
            Some(record) => self.settle(offset, record),
            None => {
                self.beat = self.beat.max(ts);
                self.reach = self.reach.max(ts);
            }
        }
    }

    fn settle(&mut self, offset: u64, record: Record) {
        let known = self.levels.len() as u32;
        if !self.levels.contains_key(&record.symbol) && known >= self.config.symbols_max {
            return self.say(offset, Some(Reason::SymbolLimit));
        }
        let day = |ts: i64| ts.div_euclid(Time::DAY);
        let floor = self.floor();
        let is_same = |other: &Record| {
            (other.symbol, other.venue, other.id) == (record.symbol, record.venue, record.id)
                && day(other.ts) == day(record.ts)
                && other.ts >= floor
        };
        if record.id != TradeId::NONE && self.admitted.iter().any(is_same) {
            return self.say(offset, Some(Reason::Duplicate));
        }
        let price = record.price.raw();
        let level = self.levels.get_mut(&record.symbol);
        if level.is_some_and(|level| level.judge(price, &self.config.outliers)) {
            return self.say(offset, Some(Reason::Outlier));
        }
        self.levels.entry(record.symbol).or_insert_with(|| super::outlier::Level::first(price));
        self.greatest = self.greatest.max(Some(record.ts));
        self.reach = self.reach.max(record.ts);
        self.admitted.push(record);
        self.say(offset, None);
    }
}

fn oracle(events: &[Event], venues: bool, config: &AdmissionConfig) -> Vec<Verdict> {
    let symbols = Symbols::default();
    let mut oracle = Oracle {
        config: config.clone(),
        greatest: None,
        beat: i64::MIN,
        reach: i64::MIN,
        admitted: Vec::new(),
        levels: Default::default(),
        waiting: Vec::new(),
        verdicts: Vec::new(),
    };
    for (offset, event) in events.iter().enumerate() {
        let offset = offset as u64;
        match *event {
            Event::Broken => oracle.say(offset, Some(Reason::Malformed)),
            Event::Beat(ts) => oracle.record(offset, None, ts),
            Event::Trade { ts, .. } => {
                let batch = batch(std::slice::from_ref(event), offset as usize, &symbols, venues);
                oracle.record(offset, Some(Record::at(&batch.trades, 0)), ts);
            }
        }
    }
    oracle.decide(true);
    oracle.verdicts.sort_by_key(|&(_, _, reason)| reason.is_some());
    oracle.verdicts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_oracle_agrees_at_any_cut(
        events in events(),
        cuts in proptest::collection::vec(1..200usize, 1..6),
        venues: bool,
    ) {
        let found = judged(&events, venues, &config(), &cuts, None);
        prop_assert_eq!(found, oracle(&events, venues, &config()));
    }

    #[test]
    fn a_snapshot_goes_on_the_same(
        events in events(),
        cuts in proptest::collection::vec(1..100usize, 1..6),
        restart in 0..8usize,
        venues: bool,
        held_max in prop_oneof![Just(70u64), Just(20_000_000)],
    ) {
        let config = AdmissionConfig { horizon_trades_max: held_max, ..config() };
        let whole = judged(&events, venues, &config, &[100_000], None);
        let cut = judged(&events, venues, &config, &cuts, Some(restart));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn bytes_of_another_kind_are_refused(bytes: Vec<u8>, events in events(), at: usize, flip: u8) {
        let restore = |bytes: &[u8]| {
            let (config, length) = (config(), EpochLength::SECOND);
            Admission::restore(config, length, Symbols::default(), 0, bytes).map(drop)
        };
        prop_assert!(restore(&bytes).is_err());
        let mut admission = Admission::new(config(), EpochLength::SECOND, Symbols::default(), 0);
        let symbols = admission.symbols.clone();
        admission.admit(&mut batch(&events, 0, &symbols, true));
        let mut bytes = admission.snapshot();
        prop_assert!(restore(&bytes).is_ok());
        let at = at % bytes.len();
        prop_assert!(restore(&bytes[..at]).is_err() || at == Admission::stand_of(&bytes).len());
        // Whatever is changed: refused or taken, never a panic.
        bytes[at] ^= flip;
        let _ = restore(&bytes);
    }
}

/// Dense ids of one symbol, so that blocks fill and leave, with copies of old ones between.
#[test]
fn many_ids_of_one_symbol_agree_with_the_oracle() {
    for (name, id) in [
        ("rising", (|k: u64| k) as fn(u64) -> u64),
        ("falling", |k| 100_000 - k),
        ("shuffled", |k| k * 7_919 % 10_007),
        ("repeating", |k| k - k % 5 * 40),
    ] {
        let events: Vec<Event> = (0..3_000u64)
            .map(|k| Event::Trade {
                ts: T0 + k as i64 * S / 60,
                symbol: 0,
                venue: 0,
                id: TradeId::from_number(id(200 + k)),
                price: 1_000,
            })
            .collect();
        let found = judged(&events, false, &config(), &[777], Some(2));
        assert!(found == oracle(&events, false, &config()), "{name}");
    }
}
