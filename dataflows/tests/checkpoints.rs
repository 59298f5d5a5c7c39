//! The law of checkpoints: however often a run is stopped or fails, and with however many workers it goes on,
//! what its sinks hold in the end is what an uninterrupted run gives them, each row once and in order.

#[path = "log/fragile.rs"]
mod fragile;
#[path = "log/joining.rs"]
mod joining;
mod log;
#[path = "log/long.rs"]
mod long;

use dataflows::checkpoint::{
    Checkpoints, Claimed, Depot, Entry, Manifest, MemoryDepot, claim, create, entries,
};
use dataflows::{Cluster, Course, Empty, Inputs, Joins, Opener, Plan, RunError, Start, Watch, run};
use fragile::Fragile;
use log::echo::Echo;
use log::{Log, Trade, coarse, lines_of, logs, plan, same};
use long::long_log;
use market::{DeadLetter, Epoch, Partition, Rows, Sink, SinkError, Symbols, Time};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A store of rows that outlives runs: what is synced is kept with its mark, the rest is lost.
#[derive(Default)]
struct Held {
    lines: Vec<String>,
    mark: Option<Epoch>,
}

/// A sink into it, which fails at a call.
struct Store {
    held: Arc<Mutex<Held>>,
    waiting: Vec<String>,
    before: Option<Epoch>,
    fails_in: u64,
}

impl Store {
    fn count_down(&mut self) -> Result<(), SinkError> {
        self.fails_in = self.fails_in.saturating_sub(1);
        match self.fails_in {
            0 => Err(SinkError { what: "the store is away".to_owned() }),
            _ => Ok(()),
        }
    }
}

impl Sink for Store {
    fn name(&self) -> &str {
        "store"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        self.count_down()?;
        let mark = self.held.lock().unwrap().mark;
        let is_new = |at: usize| mark.is_none_or(|mark| rows.keys[at].epoch >= mark);
        let new = lines_of(rows).enumerate().filter(|(at, _)| is_new(*at));
        self.waiting.extend(new.map(|(_, line)| line));
        Ok(())
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        let mark = self.held.lock().unwrap().mark;
        let new = letters.iter().filter(|letter| mark.is_none_or(|mark| letter.epoch >= mark));
        self.waiting.extend(new.map(|letter| format!("letter {letter:?}")));
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        self.before = Some(before);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.count_down()?;
        let mut held = self.held.lock().unwrap();
        held.lines.append(&mut self.waiting);
        held.mark = held.mark.max(self.before);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.sync()
    }
}

/// One life of a run.
#[derive(Clone, Debug)]
struct Life {
    workers: usize,
    fails_in: u64,
    depot_fails_every: u64,
    slow: usize,
    /// Whether symbols are spread over the logs.
    pooled: bool,
}

impl Life {
    /// One that comes to the end.
    fn last(pooled: bool) -> Self {
        Life { workers: 1, fails_in: u64::MAX, depot_fails_every: 1, slow: 0, pooled }
    }
}

/// Runs until the end, or until the sink fails; whether it came to the end, and checkpoints written.
fn live(
    life: &Life,
    empty: Empty,
    (logs, course): (&[Vec<Trade>], &Course),
    depot: &Arc<MemoryDepot>,
    held: &Arc<Mutex<Held>>,
) -> (bool, u64) {
    live_with(life, empty, (logs, course, None), depot, held)
}

/// A log that joins, and where its watermark begins, once that is decided.
type Joining<'a> = (&'a [Trade], &'a Arc<Mutex<Option<Epoch>>>);

/// Claims what is kept there, and begins it where nothing is.
fn claimed(depot: &MemoryDepot) -> Claimed {
    let mut claimed = claim(depot, &["store".to_owned()]).unwrap();
    if claimed.manifest.is_none() {
        let (lineage, started_at) = ("law".to_owned(), Time::from_ns(0));
        let manifest = Manifest::first(claimed.generation, lineage, Vec::new(), started_at);
        create(depot, claimed.next, &Entry::Manifest(manifest.clone())).unwrap();
        claimed.manifest = Some((claimed.next, manifest));
        claimed.next += 1;
    }
    claimed
}

/// As [`live`], with a log that joins.
fn live_with(
    life: &Life,
    empty: Empty,
    (logs, course, joining): (&[Vec<Trade>], &Course, Option<Joining<'_>>),
    depot: &Arc<MemoryDepot>,
    held: &Arc<Mutex<Held>>,
) -> (bool, u64) {
    let symbols =
        Symbols::with_scales([("S1".to_owned(), coarse()), ("S4".to_owned(), coarse())].into());
    // Ids of another order than those of the life before.
    (0..life.workers).for_each(|k| assert!(symbols.intern(format!("S{k}").as_bytes()).is_ok()));
    let open = |(number, log): (usize, &Vec<Trade>)| {
        let mut log = Log::new(log.clone(), &symbols, vec![7, 31], life.slow);
        let leads = course.leads.contains(&(number as u32));
        if number > 0 && course.leads.contains(&0) {
            log = log.following();
        }
        let mut log = log.in_pool(life.pooled && !leads);
        Box::new(move |start: Start| {
            start.saved.iter().for_each(|saved| log.restore(saved));
            Ok(Box::new(log) as Box<dyn Partition>)
        }) as Opener
    };
    let mut partitions: Vec<Opener> = logs.iter().enumerate().map(open).collect();
    let joins = Joins::default();
    if let Some((trades, decided)) = joining {
        let log = Log::new(trades.to_vec(), &symbols, vec![7, 31], life.slow);
        let behind = course.leads.contains(&0);
        let log = if behind { log.following() } else { log };
        let log = log.in_pool(life.pooled);
        partitions.extend(joining::join(log, decided, behind, (&joins, logs.len())));
    }
    let inputs = Inputs { joins, ..Inputs::from(partitions) };
    let (waiting, before) = (Vec::new(), None);
    let store = Store { held: held.clone(), waiting, before, fails_in: life.fails_in };
    let claimed = claimed(depot);
    // Every look is a hundredth of a second on, so that a checkpoint is due at every few of them.
    let ticks = AtomicU64::new(0);
    let (inner, calls) = (depot.clone(), AtomicU64::new(0));
    let checkpoints = Checkpoints {
        depot: Arc::new(Fragile { inner, calls, every: life.depot_fails_every }),
        clock: Arc::new(move || ticks.fetch_add(10, Ordering::SeqCst)),
        every_ms: 30,
        keep: 2,
        claimed: Some(claimed),
        listener: Arc::new(|_| {}),
    };
    let watch = Watch::default();
    let progress = watch.progress.clone();
    let pool = Echo::pool(&symbols, course.leads.first().copied());
    let pools = life.pooled.then_some(pool).into_iter().collect();
    let plan = Plan { course: course.clone(), pools, ..plan(empty, &symbols) };
    let cluster = Cluster::local(life.workers);
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(store)];
    let ended = match run(plan, cluster, inputs, sinks, watch, Some(checkpoints)) {
        Ok(outcome) => outcome.complete,
        Err(RunError::Sink(_)) => false,
        Err(error) => panic!("{error}"),
    };
    (ended, progress.checkpoints().written)
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let life = (1usize..5, 2u64..40, prop::sample::select(vec![1u64, 1, 1, 5]), 0usize..3);
    let life = life.prop_map(|(workers, fails_in, depot_fails_every, slow)| Life {
        workers,
        fails_in,
        depot_fails_every,
        slow,
        pooled: false,
    });
    prop::collection::vec(life, 1..6)
}

/// The same, all of logs in a pool or none; which.
fn lives_of() -> impl Strategy<Value = (Vec<Life>, bool)> {
    (lives(), any::<bool>()).prop_map(|(lives, pooled)| {
        (lives.into_iter().map(|life| Life { pooled, ..life }).collect(), pooled)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn lives_are_invisible(logs in logs(), (lives, _) in lives_of(), carry: bool) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let whole = law(&logs, &Course::default(), empty, &lives)?;
        prop_assert!(logs.iter().all(Vec::is_empty) || !whole.is_empty());
    }

    #[test]
    fn history_and_what_goes_on_behind_it_are_one_log(
        log in one_log(),
        place in 0.0..1.0f64,
        (parts, lives, carry) in (1usize..4, lives(), any::<bool>()),
    ) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let one = law(std::slice::from_ref(&log), &Course::default(), empty, &[])?;
        let (history, rest) = log.split_at((log.len() as f64 * place) as usize);
        let mut logs = vec![history.to_vec()];
        logs.resize(1 + parts, Vec::new());
        // A symbol keeps its partition.
        rest.iter().for_each(|trade| logs[1 + symbol(trade) % parts].push(trade.clone()));
        let course = Course { leads: [0].into(), ..Course::default() };
        let two = law(&logs, &course, empty, &lives)?;
        prop_assert_eq!(values(&one), values(&two));
    }

    /// History is judged by itself, the pool behind it where its symbols meet.
    #[test]
    fn lives_of_a_pool_behind_history_are_invisible(
        logs in logs(), (lives, _) in lives_of(), carry: bool
    ) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let course = Course { leads: [0].into(), ..Course::default() };
        law(&logs, &course, empty, &lives)?;
    }

    /// What a run decides that a log joins, a clean run that knows it from the beginning makes the same of it.
    #[test]
    fn a_log_that_joins_is_as_if_it_had_always_been_known(
        logs in logs(),
        late in logs(),
        (lives, pooled) in lives_of(),
        carry: bool,
        behind: bool,
    ) {
        // With history all of them but the first are read behind it.
        let leads = if behind && logs.len() > 1 { [0].into() } else { Arc::default() };
        let course = Course { leads, ..Course::default() };
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let (depot, held) = (Arc::new(MemoryDepot::default()), Arc::default());
        let (decided, joining) = (Arc::default(), late[0].clone());
        let last = Life::last(pooled);
        let mut ended = false;
        for life in lives.iter().chain([&last]) {
            ended = live_with(life, empty, (&logs, &course, Some((&joining, &decided))), &depot, &held).0;
            if ended || decided.lock().unwrap().is_none() {
                break;
            }
        }
        // A first life that ends before anything was read decides nothing.
        prop_assume!(decided.lock().unwrap().is_some());
        prop_assert!(ended);
        let whole = Arc::new(Mutex::new(Held::default()));
        let known = Some((&joining[..], &decided));
        prop_assert!(live_with(&last, empty, (&logs, &course, known), &Arc::default(), &whole).0);
        same(&by_table(&whole), &by_table(&held))?;
    }
}

fn symbol(trade: &Trade) -> usize {
    trade.symbol[1..].parse().unwrap()
}

fn one_log() -> impl Strategy<Value = Vec<Trade>> {
    logs().prop_map(|mut logs| logs.swap_remove(0))
}

/// The last value of every row, whenever it was known and however often it changed before.
fn values(lines: &[String]) -> std::collections::BTreeMap<String, String> {
    let value = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[..4].join(" "), words[10..].join(" "))
    };
    lines.iter().map(value).collect()
}

/// What a store holds in the end does not depend on how often its run was begun again.
fn law(
    logs: &[Vec<Trade>],
    course: &Course,
    empty: Empty,
    lives: &[Life],
) -> Result<Vec<String>, TestCaseError> {
    let whole = Arc::new(Mutex::new(Held::default()));
    let pooled = lives.first().is_some_and(|life| life.pooled);
    let last = Life::last(pooled);
    prop_assert!(live(&last, empty, (logs, course), &Arc::default(), &whole).0);
    let (depot, held) = (Arc::new(MemoryDepot::default()), Arc::default());
    let lives = lives.iter().chain([&last]);
    let mut ended = lives.map(|life| live(life, empty, (logs, course), &depot, &held).0);
    prop_assert!(ended.any(|ended| ended));
    same(&by_table(&whole), &by_table(&held))?;
    Ok(by_table(&whole))
}

/// The lines of a store, table by table.
fn by_table(held: &Mutex<Held>) -> Vec<String> {
    let mut lines = held.lock().unwrap().lines.clone();
    lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    lines
}

#[test]
fn checkpoints_are_written_gone_on_from_and_pruned() {
    let (logs, depot, held) = (long_log(), Arc::new(MemoryDepot::default()), Arc::default());
    let life =
        |fails_in| Life { workers: 2, fails_in, depot_fails_every: 1, slow: 3, pooled: false };
    let (ended, first) = live(&life(120), Empty::Skip, (&logs, &Course::default()), &depot, &held);
    assert!(!ended && first > 0, "{first} checkpoints");
    let newest = newest(&depot);
    assert!(newest.epoch.is_some() && newest.bundles.len() == 2 && newest.positions.len() == 2);
    // Two manifests are kept, with what they name, and at most one that is under way.
    let (parts, blocks): (Vec<String>, Vec<String>) =
        depot.list("parts/").unwrap().into_iter().partition(|name| !name.ends_with("-blocks"));
    assert!(parts.len() <= 6, "{parts:?}");
    assert!(newest.blocks.iter().all(|name| blocks.contains(name)), "{blocks:?}");
    // A log needs the blocks of its last rows, and two checkpoints have written some since.
    assert!(!blocks.is_empty() && blocks.len() <= newest.blocks.len() + 4, "{blocks:?}");
    let (ended, second) =
        live(&life(u64::MAX), Empty::Skip, (&logs, &Course::default()), &depot, &held);
    assert!(ended && second > 0, "{second} checkpoints");
}

/// The last manifest.
fn newest(depot: &MemoryDepot) -> Manifest {
    let (all, _) = entries(depot).unwrap();
    let newest = all.into_iter().rev().find_map(|(_, entry)| match entry {
        Entry::Manifest(manifest) => Some(manifest),
        Entry::Claim { .. } => None,
    });
    newest.unwrap()
}

#[test]
fn checkpoints_go_on_when_all_partitions_of_a_worker_have_ended() {
    let long = long_log().swap_remove(0);
    let life = |workers| Life { workers, slow: 3, ..Life::last(false) };
    let history = Course { leads: [0].into(), ..Course::default() };
    let begun = vec![long[..600].to_vec(), long[600..].to_vec()];
    let ended = vec![long.clone(), long[..600].to_vec()];
    for (workers, logs, course) in [(1, begun, history), (2, ended, Course::default())] {
        let (depot, held) = (Arc::new(MemoryDepot::default()), Arc::default());
        assert!(live(&life(workers), Empty::Skip, (&logs, &course), &depot, &held).0);
        let epoch = newest(&depot).epoch.unwrap();
        assert!(epoch > long[3_000].ts / Time::SECOND, "{workers}: the last is of {epoch}");
    }
}

#[test]
fn a_run_whose_number_is_taken_ends() {
    let (logs, depot, held) = (long_log(), Arc::new(MemoryDepot::default()), Arc::default());
    let zombie = claim(&*depot, &[]).unwrap();
    let life = Life { fails_in: 60, ..Life::last(false) };
    live(&life, Empty::Skip, (&logs, &Course::default()), &depot, &held);
    let entry = Entry::Manifest(Manifest { generation: 1, ..newest(&depot) });
    let error = create(&*depot, zombie.next, &entry).unwrap_err().to_string();
    assert!(error.contains("another run"), "{error}");
}

/// As much is refused as is used: what a checkpoint lacked of either would show.
#[test]
fn long_logs_of_a_pool_go_on_from_checkpoints() {
    let life = |workers, fails_in| Life { workers, fails_in, slow: 3, ..Life::last(true) };
    let lives = [life(2, 120), life(3, 80), life(1, 150), life(4, 60)];
    for empty in [Empty::Skip, Empty::Carry] {
        let whole = law(&long_log(), &Course::default(), empty, &lives).unwrap();
        let letters = whole.iter().filter(|line| line.starts_with("letter")).count();
        assert!(letters > 1_000 && whole.len() > letters + 1_000, "{letters} letters");
    }
}
