//! Whole graphs over logs that are admitted already: workers, cuts and the speed of partitions are
//! invisible in every row, revisions and times of knowledge included.

#[expect(dead_code, reason = "these laws go on from no checkpoint")]
mod log;

use dataflows::{Cluster, Empty, Opener, Outcome, Watch, run};
use log::{Log, Trade, coarse, lines_of, logs, plan, same};
use market::{Partition, Rows, Sink, SinkError, Symbols, Time};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

/// Every row as text, in the order a sink is given them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Sink for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        self.0.lock().unwrap().extend(lines_of(rows));
        Ok(())
    }
}

fn compute(
    empty: Empty,
    logs: &[Vec<Trade>],
    workers: usize,
    cuts: &[usize],
    slow: &[usize],
) -> (Vec<String>, Outcome) {
    compute_on(Cluster::local(workers), empty, logs, cuts, slow)
}

/// The same by two processes (here: two sets of workers that share nothing but a socket).
fn compute_by_two(
    empty: Empty,
    logs: &[Vec<Trade>],
    workers: usize,
    cuts: &[usize],
) -> (Vec<String>, Outcome) {
    // Both are held until both are known, so that they differ.
    let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let address = |port: &std::net::TcpListener| port.local_addr().expect("bound").to_string();
    let addresses: Vec<String> = ports.iter().map(address).collect();
    drop(ports);
    let started_at = Time::from_ns(0);
    let cluster = |process| {
        let addresses = addresses.clone();
        Cluster { workers, process, addresses, started_at, ..Cluster::local(0) }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| compute_on(cluster(1), empty, logs, cuts, &[0]));
        compute_on(cluster(0), empty, logs, cuts, &[0])
    })
}

fn compute_on(
    cluster: Cluster,
    empty: Empty,
    logs: &[Vec<Trade>],
    cuts: &[usize],
    slow: &[usize],
) -> (Vec<String>, Outcome) {
    let symbols =
        Symbols::with_scales([("S1".to_owned(), coarse()), ("S4".to_owned(), coarse())].into());
    let lines = Lines::default();
    let open = |(number, log): (usize, &Vec<Trade>)| {
        let slow = slow[number % slow.len()];
        let log = Log::new(log.clone(), &symbols, cuts.to_vec(), slow);
        Box::new(move |_| Ok(Box::new(log) as Box<dyn Partition>)) as Opener
    };
    let partitions: Vec<Opener> = logs.iter().enumerate().map(open).collect();
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(lines.clone())];
    let plan = plan(empty, &symbols);
    let outcome = run(plan, cluster, partitions, sinks, Watch::default(), None).unwrap();
    let mut lines = std::mem::take(&mut *lines.0.lock().unwrap());
    // The order is by table: how the tables' batches alternate is the schedule's.
    lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    (lines, outcome)
}

/// The last word on every key: revision, epoch and time of knowledge left out.
fn final_values(lines: &[String]) -> Vec<String> {
    let mut last = std::collections::BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        last.insert(words[..4].join(" "), words[10..].join(" "));
    }
    last.into_iter().map(|(key, values)| format!("{key} {values}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn workers_cuts_and_speeds_are_invisible(
        logs in logs(),
        workers in prop::sample::select(vec![2usize, 3, 4, 8]),
        cuts in prop::collection::vec(1usize..60, 1..4),
        slow in prop::collection::vec(0usize..4, 1..4),
        carry: bool,
    ) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let (reference, first) = compute(empty, &logs, 1, &[1_000], &[0]);
        let (lines, outcome) = compute(empty, &logs, workers, &cuts, &slow);
        same(&reference, &lines)?;
        prop_assert_eq!(first, outcome);
    }

    #[test]
    fn a_split_by_symbol_changes_no_final_value(logs in logs(), parts in 2usize..8, carry: bool) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let whole = &logs[..1];
        let mut split = vec![Vec::new(); parts];
        for trade in &logs[0] {
            split[trade.symbol.as_bytes()[1] as usize % parts].push(trade.clone());
        }
        let (whole, _) = compute(empty, whole, 1, &[100], &[0]);
        let (split, _) = compute(empty, &split, 2, &[7], &[0]);
        // Within one log a symbol's trades may lie beyond the horizon of the others' watermark.
        let (whole, split) = (final_values(&whole), final_values(&split));
        same(&whole, &split)?;
    }
}

proptest! {
    // Two processes take a second to find one another.
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_second_process_is_invisible(logs in logs(), workers in 1usize..3, carry: bool) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let (reference, first) = compute(empty, &logs, 1, &[1_000], &[0]);
        let (lines, outcome) = compute_by_two(empty, &logs, workers, &[17]);
        same(&reference, &lines)?;
        prop_assert_eq!(first, outcome);
    }
}
