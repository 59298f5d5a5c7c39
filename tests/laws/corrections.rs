//! Corrections converge: whatever is cancelled, replaced, late, copied or unknown, the tables end as those of a clean run
//! over the corrected log.
//!
//! The corrected log is said by a model of its own, which remembers every trade and asks them one by one: the admitted
//! trades in order of time and position, each cancelled one taken out, each replaced one edited in its place. What was
//! known at a time is what a run makes of logs that are cut there.

use super::log::{Feeding, HORIZON, Log, Made, Record, START, run, run_by_two};
use super::same;
use market::{Reason, Time, TransType};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const LATENESS: i64 = 2 * Time::SECOND;
/// Milliseconds.
const MS: i64 = 1_000_000;

/// What happens next in a log.
#[derive(Clone, Debug)]
enum Step {
    /// Milliseconds on, milliseconds late, symbol, price.
    Trade(i64, i64, usize, i64),
    /// Takes back the trade so many steps before, or so many behind.
    Cancel(i64),
    /// Moves that trade by milliseconds, and gives it a price.
    Replace(i64, i64, i64),
    /// The record so many before once more.
    Copy(usize),
    /// A correction of a trade that never comes.
    Unknown(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![30 => 0i64..900, 1 => 10_000i64..100_000];
    let delay = prop_oneof![8 => Just(0i64), 1 => 0i64..2_000, 1 => 0i64..100_000];
    let trade = (pause, delay, 0usize..4, 1i64..200);
    let back = || prop_oneof![8 => 1i64..40, 1 => -6i64..0, 1 => 40i64..250];
    let by = prop_oneof![4 => Just(0i64), 3 => -3_000i64..3_000, 1 => -120_000i64..20_000];
    prop_oneof![
        30 => trade.prop_map(|(pause, delay, symbol, price)| Step::Trade(pause, delay, symbol, price)),
        4 => back().prop_map(Step::Cancel),
        5 => (back(), by, 1i64..200).prop_map(|(back, by, price)| Step::Replace(back, by, price)),
        2 => (1usize..10).prop_map(Step::Copy),
        1 => any::<bool>().prop_map(Step::Unknown),
    ]
}

/// Ids of a log: how they go on, and whether they are text.
#[derive(Clone, Copy, Debug)]
struct Ids {
    falls: bool,
    is_text: bool,
}

fn logs() -> impl Strategy<Value = Log> {
    let ids = (any::<bool>(), any::<bool>()).prop_map(|(falls, is_text)| Ids { falls, is_text });
    (prop::collection::vec(step(), 1..400), ids).prop_map(|(steps, ids)| log_of(&steps, ids))
}

fn log_of(steps: &[Step], ids: Ids) -> Log {
    let (mut records, mut head): (Vec<Record>, i64) = (Vec::new(), START);
    // Where each step's trade stands and what it is: a correction may name one that comes later.
    let mut clock = START;
    let trades: Vec<Option<(i64, usize)>> = steps
        .iter()
        .map(|step| match *step {
            Step::Trade(pause, delay, symbol, _) => {
                clock += pause * MS;
                Some((clock - delay * MS, symbol))
            }
            _ => None,
        })
        .collect();
    let id = |at: usize| Some(if ids.falls { 10_000 - at as u64 } else { 10 + at as u64 });
    let named = |at: usize, back: i64| {
        let of = usize::try_from(at as i64 - back).ok()?;
        let (ts, symbol) = (*trades.get(of)?)?;
        let (id, is_text) = (id(of), ids.is_text);
        Some(Record { ts, symbol, price: 100, size: 1, id, is_text, ..Record::default() })
    };
    for (at, step) in steps.iter().enumerate() {
        let record = match *step {
            Step::Trade(pause, _, _, price) => {
                head += pause * MS;
                named(at, 0).map(|trade| Record { price, size: 1 + price % 9, ..trade })
            }
            Step::Cancel(back) => named(at, back).map(|trade| Record {
                ts: 0,
                price: 0,
                size: 0,
                trans: TransType::Cancel,
                ..trade
            }),
            Step::Replace(back, by, price) => named(at, back).map(|trade| Record {
                ts: (trade.ts + by * MS).min(head + 30 * Time::SECOND),
                price,
                size: 1 + price % 7,
                trans: TransType::Replace,
                ..trade
            }),
            Step::Copy(back) => records.len().checked_sub(back).map(|of| records[of].clone()),
            Step::Unknown(is_cancel) => {
                let trans = if is_cancel { TransType::Cancel } else { TransType::Replace };
                let id = Some(1_000_000 + at as u64);
                let is_text = ids.is_text;
                Some(Record {
                    ts: head,
                    symbol: 1,
                    price: 5,
                    size: 2,
                    id,
                    trans,
                    is_text,
                    ..Record::default()
                })
            }
        };
        records.extend(record);
    }
    Log(records)
}

/// What a trade was when it was admitted, and is now.
#[derive(Clone, Debug)]
struct Known {
    position: usize,
    own: i64,
    record: Record,
    now: Option<Record>,
}

/// All that is known of a partition's log.
#[derive(Default)]
struct Model {
    head: Option<i64>,
    known: Vec<Known>,
    /// Correction, the watermark when it came, its position.
    pending: Vec<(Record, Option<i64>)>,
    refused: std::collections::BTreeMap<Reason, u64>,
    cancelled: u64,
    replaced: u64,
}

impl Model {
    fn of(log: &Log) -> Self {
        let mut model = Model::default();
        for (position, record) in log.0.iter().enumerate() {
            match record.trans {
                TransType::New => model.trade(position, record),
                _ => model.correction(record),
            }
        }
        let left = model.pending.len();
        model.refuse(Reason::Unmatched, left as u64);
        model
    }

    fn watermark(&self) -> Option<i64> {
        self.head.map(|head| head - LATENESS)
    }

    fn floor(&self) -> i64 {
        self.watermark().map_or(i64::MIN, |watermark| watermark - HORIZON)
    }

    fn refuse(&mut self, reason: Reason, count: u64) {
        *self.refused.entry(reason).or_default() += count;
    }

    fn trade(&mut self, position: usize, record: &Record) {
        if record.ts < self.floor() {
            return self.refuse(Reason::Horizon, 1);
        }
        let floor = self.floor();
        let is_copy = |known: &&Known| {
            known.own >= floor
                && (known.record.symbol, known.record.id) == (record.symbol, record.id)
        };
        if self.known.iter().find(is_copy).is_some() {
            return self.refuse(Reason::Duplicate, 1);
        }
        let before = self.watermark().map(|watermark| watermark.div_euclid(Time::SECOND));
        self.head = self.head.max(Some(record.ts));
        if self.watermark().map(|watermark| watermark.div_euclid(Time::SECOND)) != before {
            self.give_up();
        }
        let (own, now) = (record.ts, Some(record.clone()));
        self.known.push(Known { position, own, record: record.clone(), now });
        let is_meant = |other: &Record| (other.symbol, other.id) == (record.symbol, record.id);
        let (met, left) = self.pending.drain(..).partition(|(other, _)| is_meant(other));
        self.pending = left;
        for (correction, _) in met {
            let is_timely = correction.trans == TransType::Cancel || correction.ts >= self.floor();
            match is_timely {
                true => self.apply(&correction),
                false => self.refuse(Reason::Horizon, 1),
            }
        }
    }

    fn give_up(&mut self) {
        let (floor, watermark) = (self.floor(), self.watermark());
        let mut gone = 0;
        self.pending.retain_mut(|(_, since)| {
            *since = since.or(watermark);
            let stays = since.is_none_or(|since| since >= floor);
            gone += u64::from(!stays);
            stays
        });
        self.refuse(Reason::Unmatched, gone);
    }

    fn correction(&mut self, record: &Record) {
        if record.trans == TransType::Replace && record.ts < self.floor() {
            return self.refuse(Reason::Horizon, 1);
        }
        if self.find(record).is_some() {
            return self.apply(record);
        }
        let waiting: Vec<&Record> = self
            .pending
            .iter()
            .map(|(other, _)| other)
            .filter(|other| (other.symbol, other.id) == (record.symbol, record.id))
            .collect();
        let says = |record: &Record| {
            (record.trans == TransType::Replace).then_some((record.ts, record.price, record.size))
        };
        match waiting.last() {
            Some(last) if says(last) == says(record) => self.refuse(Reason::Duplicate, 1),
            Some(last) if last.trans == TransType::Cancel => self.refuse(Reason::Unmatched, 1),
            _ => self.pending.push((record.clone(), self.watermark())),
        }
    }

    /// The trade that a correction names: the last one that the horizon holds.
    fn find(&self, record: &Record) -> Option<usize> {
        let floor = self.floor();
        let is_meant = |known: &Known| {
            let is_held = match &known.now {
                // An edited one is found as long as it was admitted or edited within what bars are kept for.
                Some(now) => now.ts >= floor || known.own >= floor,
                None => known.own >= floor,
            };
            is_held && (known.record.symbol, known.record.id) == (record.symbol, record.id)
        };
        (0..self.known.len()).rev().find(|&at| is_meant(&self.known[at]))
    }

    fn apply(&mut self, record: &Record) {
        let floor = self.floor();
        let Some(at) = self.find(record) else { return self.refuse(Reason::Unmatched, 1) };
        let known = &mut self.known[at];
        let is_cancel = record.trans == TransType::Cancel;
        let reason = match &known.now {
            None if is_cancel => Some(Reason::Duplicate),
            None => Some(Reason::Unmatched),
            Some(now) if now.ts < floor => Some(Reason::Horizon),
            Some(now) => {
                let is_same =
                    (now.ts, now.price, now.size) == (record.ts, record.price, record.size);
                (!is_cancel && is_same).then_some(Reason::Duplicate)
            }
        };
        if let Some(reason) = reason {
            return self.refuse(reason, 1);
        }
        let edited = Record { trans: TransType::New, ..record.clone() };
        known.now = (!is_cancel).then_some(edited);
        self.cancelled += u64::from(is_cancel);
        self.replaced += u64::from(!is_cancel);
    }

    /// The admitted trades in order of time and position, as they are now; ids have done their work. Where the log's
    /// head has gone no correction takes back.
    fn corrected(&self) -> Log {
        let mut trades: Vec<(i64, usize, Record)> = Vec::new();
        for known in &self.known {
            let now = known.now.iter().map(|now| Record { id: None, ..now.clone() });
            trades.extend(now.map(|now| (now.ts, known.position, now)));
        }
        trades.sort_by_key(|(ts, position, _)| (*ts, *position));
        let mut records: Vec<Record> = trades.into_iter().map(|(.., record)| record).collect();
        let head = self.watermark().map(|ts| Record { ts, heartbeat: true, ..Record::default() });
        records.extend(head);
        Log(records)
    }
}

fn check(log: &Log, made: &Made, carry: bool) -> Result<(), TestCaseError> {
    let model = Model::of(log);
    let counts = &made.outcome.counts;
    prop_assert_eq!((counts.cancelled, counts.replaced), (model.cancelled, model.replaced));
    for reason in [Reason::Unmatched, Reason::Duplicate, Reason::Horizon] {
        let wanted = model.refused.get(&reason).copied().unwrap_or(0);
        prop_assert_eq!(counts.refused[reason as usize], wanted, "{}", reason);
    }
    prop_assert_eq!(counts.read, counts.used + counts.refused_total());
    let clean = run(&[model.corrected()], 1, carry, &Feeding::default());
    prop_assert_eq!(clean.outcome.counts.refused_total(), 0);
    same(&clean.final_values(), &made.final_values())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn corrections_end_as_the_corrected_log(
        log in logs(),
        cuts in prop::collection::vec(1usize..120, 1..4),
        workers in prop::sample::select(vec![1usize, 2, 4]),
        carry: bool,
    ) {
        let feeding = Feeding { cuts, ..Feeding::default() };
        let made = run(std::slice::from_ref(&log), workers, carry, &feeding);
        check(&log, &made, carry)?;
        // What every epoch did is the same, however the log was cut.
        let plain = run(std::slice::from_ref(&log), 1, carry, &Feeding::default());
        same(&plain.changes(), &made.changes())?;
    }

    #[test]
    fn what_was_known_is_what_a_log_cut_there_makes(
        log in logs(),
        parts in 1usize..3,
        at in 0usize..400,
        carry: bool,
    ) {
        let at = log.0[at % log.0.len()].ts.max(START);
        // Whole epochs are known, once the log's head has passed them by the lateness.
        let until = Time::from_ns(at.div_euclid(Time::SECOND) * Time::SECOND);
        let known_at = Time::from_ns(until.ns() + LATENESS);
        let by_symbol = log.split(parts, |_, record| record.symbol);
        let whole = run(&by_symbol, 2, carry, &Feeding::default());
        let cut = Feeding { until: Some(until), ..Feeding::default() };
        let cut = run(&by_symbol, 1, carry, &cut);
        let tables = |dump: String| -> String {
            let lines = dump.lines().filter(|line| !line.starts_with("refused"));
            lines.map(|line| line.to_owned() + "\n").collect()
        };
        let known = whole.memory.memory().as_of(known_at).dump();
        same(&tables(cut.memory.dump()), &tables(known))?;
    }

    #[test]
    fn corrections_of_many_partitions_end_as_those_of_one(
        log in logs(),
        parts in 2usize..4,
        carry: bool,
    ) {
        let by_symbol = log.split(parts, |_, record| record.symbol);
        let made = run(&by_symbol, 2, carry, &Feeding::default());
        let each: Vec<Model> = by_symbol.iter().map(Model::of).collect();
        let mut clean: Vec<Record> = each.iter().flat_map(|model| model.corrected().0).collect();
        clean.retain(|record| !record.heartbeat);
        clean.sort_by_key(|record| record.ts);
        let head = each.iter().filter_map(Model::watermark).max();
        clean.extend(head.map(|ts| Record { ts, heartbeat: true, ..Record::default() }));
        let clean = run(&[Log(clean)], 1, carry, &Feeding::default());
        same(&clean.final_values(), &made.final_values())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn a_second_process_is_invisible_to_corrections(log in logs(), workers in 1usize..3) {
        let logs = log.split(3, |_, record| record.symbol);
        let plain = run(&logs, 1, false, &Feeding::default());
        let other = run_by_two(&logs, workers, false, &Feeding::default());
        same(&plain.changes(), &other.changes())?;
    }
}

#[test]
fn the_strategy_reaches_what_the_laws_are_about() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut cancelled, mut replaced, mut refused) = (0, 0, std::collections::BTreeMap::new());
    for _ in 0..40 {
        let log = logs().new_tree(&mut runner).expect("a log").current();
        let model = Model::of(&log);
        (cancelled, replaced) = (cancelled + model.cancelled, replaced + model.replaced);
        for (reason, count) in model.refused {
            *refused.entry(reason).or_insert(0) += count;
        }
    }
    assert!(cancelled > 100 && replaced > 100, "{cancelled} cancelled, {replaced} replaced");
    for reason in [Reason::Unmatched, Reason::Duplicate, Reason::Horizon] {
        assert!(refused.get(&reason).is_some_and(|count| *count > 0), "{reason} is never reached");
    }
}
