//! The law of warming up: a run that is stopped, given other indicators, and goes on from its checkpoint leaves
//! the rows of indicators that it kept as they would have been, bit for bit, and those of added ones as if they
//! had been there from the start, from the first row on that it writes. However often it is killed, before the change
//! and after it, and with however many workers.

#[expect(dead_code, reason = "shared with other laws")]
mod log;

use dataflows::checkpoint::{Checkpoints, Claimed, Entry, Manifest, MemoryDepot, claim, create};
use dataflows::warm_up::{ReadAgain, warm_up};
use dataflows::{Cluster, Empty, IndicatorPlan, Opener, Plan, RunError, Start, Watch, run};
use log::echo::Echo;
use log::{Log, Trade, coarse, logs, plan};
use market::{Cell, Epoch, Partition, Rows, Sink, SinkError, Symbols, Time};
use operators::indicator::Registry;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const WIDTHS: [&str; 4] = ["10s", "15s", "1min", "1h"];
const INDICATORS: [&str; 5] = ["sma(3)", "ema(4)", "rsi(3)", "vwap(session)", "obv"];

/// A row as it stands in a store: the epoch that wrote it, and its columns.
type Row = (Epoch, BTreeMap<String, Cell>);
type Key = (String, String, String, Time);

/// A store of rows that outlives runs: a row's columns that a run does not write stay.
#[derive(Default)]
struct Held {
    rows: BTreeMap<Key, Row>,
    mark: Option<Epoch>,
}

/// A sink into it, which fails at a call.
struct Store {
    held: Arc<Mutex<Held>>,
    waiting: Vec<(Key, Row)>,
    before: Option<Epoch>,
    fails_in: u64,
}

impl Sink for Store {
    fn name(&self) -> &str {
        "store"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        self.fails_in = self.fails_in.saturating_sub(1);
        if self.fails_in == 0 {
            return Err(SinkError { what: "the store is away".to_owned() });
        }
        let mark = self.held.lock().unwrap().mark;
        for (at, key) in rows.keys.iter().enumerate() {
            if mark.is_some_and(|mark| key.epoch < mark) {
                continue;
            }
            let names = rows.table.columns.iter().map(|column| column.name.clone());
            let cells = (0..rows.table.columns.len()).map(|column| rows.cell(at, column));
            let symbol = rows.symbols.text(key.symbol).to_string();
            let place = (rows.table.name.clone(), symbol, key.width.to_string(), key.ts_open);
            self.waiting.push((place, (key.epoch, names.zip(cells).collect())));
        }
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        self.before = Some(before);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        let mut held = self.held.lock().unwrap();
        for (key, (epoch, cells)) in self.waiting.drain(..) {
            let row = held.rows.entry(key).or_insert_with(|| (epoch, BTreeMap::new()));
            row.0 = epoch;
            row.1.extend(cells);
        }
        held.mark = held.mark.max(self.before);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.sync()
    }
}

/// Which indicators each width has.
type Choice = Vec<Vec<bool>>;

fn choice() -> impl Strategy<Value = Choice> {
    prop::collection::vec(prop::collection::vec(any::<bool>(), INDICATORS.len()), WIDTHS.len())
}

fn plan_of(choice: &Choice, (empty, pooled): (Empty, bool), symbols: &Symbols) -> Plan {
    let registry = Registry::standard();
    let lane = |(width, chosen): (&&str, &Vec<bool>)| {
        let chosen = INDICATORS.iter().zip(chosen).filter(|(_, chosen)| **chosen);
        let list = chosen.map(|(text, _)| registry.parse(text).unwrap()).collect();
        IndicatorPlan { widths: vec![width.parse().unwrap()], list }
    };
    let indicators = WIDTHS.iter().zip(choice).map(lane).collect();
    let pools = pooled.then(|| Echo::pool(symbols, None)).into_iter().collect();
    Plan { indicators, pools, ..plan(empty, symbols) }
}

fn openers((logs, pooled): (&[Vec<Trade>], bool), symbols: &Symbols, slow: usize) -> Vec<Opener> {
    let open = |log: &Vec<Trade>| {
        let mut log = Log::new(log.clone(), symbols, vec![7, 31], slow).in_pool(pooled);
        Box::new(move |start: Start| {
            start.saved.iter().for_each(|saved| log.restore(saved));
            Ok(Box::new(log) as Box<dyn Partition>)
        }) as Opener
    };
    logs.iter().map(open).collect()
}

/// One life of a run.
#[derive(Clone, Debug)]
struct Life {
    workers: usize,
    fails_in: u64,
    slow: usize,
}

/// What a run is over.
struct Case<'a> {
    logs: &'a [Vec<Trade>],
    empty: Empty,
    pooled: bool,
    depot: Arc<MemoryDepot>,
    held: Arc<Mutex<Held>>,
    /// Checkpoints that held something and were warmed up.
    warmed: AtomicU64,
}

impl<'a> Case<'a> {
    fn new(logs: &'a [Vec<Trade>], (empty, pooled): (Empty, bool)) -> Self {
        let (depot, held, warmed) = (Arc::default(), Arc::default(), AtomicU64::new(0));
        Case { logs, empty, pooled, depot, held, warmed }
    }

    /// Runs until the end, or until the sink fails; whether it came to the end. A life that finds a checkpoint of
    /// other indicators warms up first.
    fn live(&self, life: &Life, choice: &Choice) -> bool {
        let names = [("S1".to_owned(), coarse()), ("S4".to_owned(), coarse())];
        let symbols = Symbols::with_scales(names.into());
        (0..life.workers).for_each(|k| assert!(symbols.intern(format!("S{k}").as_bytes()).is_ok()));
        let plan = plan_of(choice, (self.empty, self.pooled), &symbols);
        let facts = vec![("indicators".to_owned(), format!("{choice:?}"))];
        let mut claimed = claim(&*self.depot, &[]).unwrap();
        let manifest = match claimed.manifest.take().map(|(_, manifest)| manifest) {
            Some(manifest) if manifest.facts == facts => manifest,
            Some(manifest) => {
                let warm = self.warm(&plan, &manifest, claimed.generation, life);
                self.create(&mut claimed, Manifest { facts, ..warm })
            }
            None => {
                let (generation, started_at) = (claimed.generation, Time::from_ns(0));
                let (lineage, positions, bundles) = ("law".to_owned(), Vec::new(), Vec::new());
                let blocks = Vec::new();
                let epoch = None;
                let first = Manifest {
                    generation,
                    lineage,
                    facts,
                    started_at,
                    epoch,
                    positions,
                    bundles,
                    blocks,
                };
                self.create(&mut claimed, first)
            }
        };
        claimed.manifest = Some((claimed.next - 1, manifest));
        let ticks = AtomicU64::new(0);
        let checkpoints = Checkpoints {
            depot: self.depot.clone(),
            clock: Arc::new(move || ticks.fetch_add(10, Ordering::SeqCst)),
            every_ms: 30,
            keep: 2,
            claimed: Some(claimed),
            listener: Arc::new(|_| {}),
        };
        let (held, waiting, before) = (self.held.clone(), Vec::new(), None);
        let store = Store { held, waiting, before, fails_in: life.fails_in };
        let partitions = openers((self.logs, self.pooled), &symbols, life.slow);
        let (cluster, sinks) =
            (Cluster::local(life.workers), vec![Box::new(store) as Box<dyn Sink>]);
        match run(plan, cluster, partitions, sinks, Watch::default(), Some(checkpoints)) {
            Ok(outcome) => outcome.complete,
            Err(RunError::Sink(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn create(&self, claimed: &mut Claimed, manifest: Manifest) -> Manifest {
        create(&*self.depot, claimed.next, &Entry::Manifest(manifest.clone())).unwrap();
        claimed.next += 1;
        manifest
    }

    fn warm(&self, plan: &Plan, manifest: &Manifest, generation: u64, life: &Life) -> Manifest {
        self.warmed.fetch_add(u64::from(manifest.epoch.is_some()), Ordering::SeqCst);
        let mut past = ReadAgain {
            plan: plan.clone(),
            workers: life.workers,
            inputs: openers((self.logs, self.pooled), &plan.symbols, life.slow).into(),
            started_at: manifest.started_at,
            boundary: manifest.epoch.unwrap_or(Epoch::MIN),
            watch: Watch::default(),
        };
        warm_up(plan, &*self.depot, (manifest, generation), &mut past).unwrap()
    }
}

fn life() -> impl Strategy<Value = Life> {
    (1usize..4, 2u64..40, 0usize..3).prop_map(|(workers, fails_in, slow)| Life {
        workers,
        fails_in,
        slow,
    })
}

const LAST: Life = Life { workers: 2, fails_in: u64::MAX, slow: 0 };

/// What an uninterrupted run leaves.
fn clean(logs: &[Vec<Trade>], how: (Empty, bool), choice: &Choice) -> BTreeMap<Key, Row> {
    let case = Case::new(logs, how);
    assert!(case.live(&LAST, choice));
    let mut held = case.held.lock().unwrap();
    std::mem::take(&mut held.rows)
}

/// Lives with one choice of indicators after the other, and what was left of the rows.
fn check(
    logs: &[Vec<Trade>],
    how: (Empty, bool),
    choices: &[(Choice, Vec<Life>)],
) -> Result<u64, TestCaseError> {
    let case = Case::new(logs, how);
    let mut last_mark = None;
    for (choice, lives) in choices {
        last_mark = case.held.lock().unwrap().mark;
        if lives.iter().any(|life| case.live(life, choice)) {
            // All was read before the last change.
            return Ok(0);
        }
    }
    let choice = &choices.last().unwrap().0;
    prop_assert!(case.live(&LAST, choice));
    let held = case.held.lock().unwrap();
    for (key, (epoch, cells)) in &clean(logs, how, choice) {
        let found = held.rows.get(key);
        let is_new = last_mark.is_none_or(|mark| *epoch >= mark);
        // A width that had no indicators has no rows of them before the change.
        let Some((_, found)) = found else {
            prop_assert!(!is_new, "{key:?} is missing");
            continue;
        };
        for (name, cell) in cells {
            let kept = choices.iter().all(|(choice, _)| has(choice, &key.2, name));
            if is_new || kept || key.0 == "aggregated_data" {
                prop_assert_eq!(found.get(name), Some(cell), "{:?} {}", key, name);
            }
        }
    }
    Ok(case.warmed.load(Ordering::SeqCst))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn added_indicators_are_as_if_they_had_been_there(
        logs in logs(), carry: bool, pooled: bool,
        choices in prop::collection::vec((choice(), prop::collection::vec(life(), 1..3)), 2..4),
    ) {
        check(&logs, (if carry { Empty::Carry } else { Empty::Skip }, pooled), &choices)?;
    }
}

#[test]
fn checkpoints_that_hold_something_are_warmed_up() {
    let trade = |k: i64| Trade {
        ts: (1_700_000_000_000 + k * 400 - k % 7 * 300) * 1_000_000,
        symbol: format!("S{}", k % 7),
        price: (1 + k * k % 50) * 10_000_000,
        size: 1_000_000_000,
    };
    let logs = [(0..6_000).map(trade).collect(), (0..3_000).map(|k| trade(2 * k)).collect()];
    let choice = |of: usize| -> Choice {
        let has = |lane: usize, at: usize| !(lane * 5 + at + of).is_multiple_of(3);
        (0..WIDTHS.len())
            .map(|lane| (0..INDICATORS.len()).map(|at| has(lane, at)).collect())
            .collect()
    };
    let lives = |workers| vec![Life { workers, fails_in: 60, slow: 3 }; 2];
    let choices = [
        (choice(0), lives(2)),
        (choice(1), lives(1)),
        (choice(0), lives(3)),
        (choice(2), lives(2)),
    ];
    for how in [(Empty::Skip, false), (Empty::Carry, false), (Empty::Skip, true)] {
        let warmed = check(&logs, how, &choices).unwrap();
        assert!(warmed > 2, "{warmed} checkpoints were warmed up");
    }
}

/// Whether a width has an indicator with this column.
fn has(choice: &Choice, width: &str, column: &str) -> bool {
    let registry = Registry::standard();
    let lane = WIDTHS.iter().position(|known| *known == width).unwrap();
    INDICATORS.iter().zip(&choice[lane]).any(|(text, chosen)| {
        *chosen && registry.parse(text).unwrap().outputs().iter().any(|name| name == column)
    })
}
