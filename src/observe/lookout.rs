//! What must be noted over time: since when something stands still, and whether brokers answer.
//!
//! A thread notes once a second how far workers, partitions and the frontier are; another asks the brokers of the
//! sources every few seconds, and waits for their answer without holding anybody up.

use super::measures::held;
use super::{Observed, now};
use dataflows::Progress;
use kafka::{Admin, PartitionName, Settings};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Between two notes.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// Between two questions to brokers.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Between two looks whether the run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A source's log on brokers.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// The source's name.
    pub source: String,
    /// Its brokers.
    pub settings: Settings,
    /// Its partitions, each with its number in the run.
    pub partitions: Vec<(usize, PartitionName)>,
}

/// What stands still since when.
#[derive(Default)]
pub(super) struct Lookout {
    memory: Mutex<BTreeMap<Mark, (u64, Instant)>>,
    brokers: Mutex<Vec<Answer>>,
    runs: AtomicBool,
}

/// Something that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Worker(usize),
    Partition(usize),
    Frontier,
}

/// What the brokers of a source said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub source: String,
    /// The last answer, or the first question.
    pub answered: Instant,
    /// Why they do not answer.
    pub error: Option<String>,
    /// Where the partitions end, by their number in the run.
    pub ends: BTreeMap<usize, u64>,
}

impl Lookout {
    /// Whether nobody asks what it knows.
    pub fn is_idle(&self) -> bool {
        !self.runs.load(Ordering::SeqCst)
    }

    /// Notes how far all are.
    pub fn note(&self, progress: &Progress) {
        let at = now();
        let mut memory = held(&self.memory);
        let mut note = |mark: Mark, value: u64| {
            let known = memory.entry(mark).or_insert((value, at));
            if known.0 != value {
                *known = (value, at);
            }
        };
        for worker in progress.workers() {
            note(Mark::Worker(worker.number), worker.turns);
        }
        for (number, known) in progress.partitions() {
            note(Mark::Partition(number), known.position.map_or(u64::MAX, market::Offset::raw));
        }
        note(Mark::Frontier, progress.frontier().cast_unsigned());
    }

    /// How long something stands still, in seconds.
    pub fn stands(&self, mark: Mark) -> f64 {
        let since = held(&self.memory).get(&mark).map(|(_, since)| *since);
        since.map_or(0.0, |since| since.elapsed().as_secs_f64())
    }

    /// What the brokers said.
    pub fn answers(&self) -> Vec<Answer> {
        held(&self.brokers).clone()
    }
}

/// Sleeps so long, unless the run ends; whether it goes on.
fn wait(of: &Weak<Observed>, time: Duration) -> bool {
    let until = now() + time;
    while now() < until {
        if of.upgrade().is_none_or(|observed| observed.closed.load(Ordering::SeqCst)) {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    true
}

/// Notes from now on.
pub(super) fn start(observed: &Arc<Observed>) {
    observed.lookout.runs.store(true, Ordering::SeqCst);
    let of = Arc::downgrade(observed);
    std::thread::spawn(move || {
        while wait(&of, NOTE_EVERY) {
            if let Some(observed) = of.upgrade() {
                observed.lookout.note(&observed.progress);
            }
        }
    });
}

/// Asks the brokers of `logs` from now on.
pub(super) fn ask(observed: &Arc<Observed>, logs: Vec<Watched>) {
    for log in logs {
        let (source, ends) = (log.source.clone(), BTreeMap::new());
        let answer = Answer { source, answered: now(), error: None, ends };
        let mut brokers = held(&observed.lookout.brokers);
        let number = brokers.len();
        brokers.push(answer);
        drop(brokers);
        let of = Arc::downgrade(observed);
        std::thread::spawn(move || {
            let names: Vec<PartitionName> = log.partitions.iter().map(|(_, p)| p.clone()).collect();
            let mut admin = None;
            loop {
                let asked = match &admin {
                    Some(admin) => Ok(admin),
                    None => Admin::new(&log.settings).map(|made| &*admin.insert(made)),
                };
                let bounds = asked.and_then(|admin| admin.bounds(&names));
                let Some(observed) = of.upgrade() else { return };
                let mut brokers = held(&observed.lookout.brokers);
                let answer = &mut brokers[number];
                match bounds {
                    Ok(bounds) => {
                        (answer.answered, answer.error) = (now(), None);
                        let numbers = log.partitions.iter().map(|(number, _)| *number);
                        answer.ends = numbers.zip(bounds.iter().map(|at| at.end)).collect();
                    }
                    Err(error) => answer.error = Some(error.to_string()),
                }
                drop(brokers);
                drop(observed);
                if !wait(&of, ASK_EVERY) {
                    return;
                }
            }
        });
    }
}
