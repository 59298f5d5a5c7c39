//! The thread of a process that writes checkpoints, so that no worker waits for the store.

use super::bundle::{Piece, encode};
use super::coordinator::{Part, Said, Whole};
use super::cuts::Cut;
use super::manifest::{Entry, Manifest};
use super::once::{Once, length_of};
use super::sequence::{Claimed, Pruned, SequenceError, create, part_name, prune};
use super::{Checkpoints, DepotError};
use crate::graph::Shared as Run;
use bytes::Bytes;
use market::{Later, Symbols};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use timely::scheduling::SyncActivator;

/// What the thread found, for one worker to pick up.
pub(crate) struct Mail<T> {
    news: Mutex<Vec<T>>,
    waker: SyncActivator,
}

impl<T> Mail<T> {
    /// An empty one of a worker's operator.
    pub fn new(waker: SyncActivator) -> Arc<Self> {
        Arc::new(Mail { news: Mutex::default(), waker })
    }

    fn post(&self, news: T) {
        self.news.lock().expect("no holder of this lock panics").push(news);
        // A worker that is gone has no use for it.
        let _gone = self.waker.activate();
    }

    /// All that came.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.news.lock().expect("no holder of this lock panics"))
    }
}

/// A checkpoint was written down, or given up.
pub(crate) struct Settled;

enum Job {
    Cut { worker: usize, cut: Cut, reply: Arc<Mail<Said>> },
    Manifest { whole: Whole, reply: Arc<Mail<Settled>> },
}

/// The thread, as the workers see it. It ends when all of them are gone.
#[derive(Clone)]
pub(crate) struct Scribe {
    jobs: Sender<Job>,
}

struct Desk {
    checkpoints: Checkpoints,
    /// The run's place in the sequence; on process 0.
    claimed: Option<Claimed>,
    generation: u64,
    symbols: Symbols,
    run: Arc<Run>,
    once: Once,
}

impl Scribe {
    /// Starts the thread for a run of `generation`.
    pub fn start(
        checkpoints: &Checkpoints,
        generation: u64,
        symbols: &Symbols,
        run: &Arc<Run>,
    ) -> Self {
        let (jobs, receiver) = channel();
        let (checkpoints, symbols, run) = (checkpoints.clone(), symbols.clone(), run.clone());
        let claimed = checkpoints.claimed.clone();
        let once = Once::default();
        let desk = Desk { checkpoints, claimed, generation, symbols, run, once };
        let thread = std::thread::Builder::new().name("checkpoints".to_owned());
        thread.spawn(move || desk.work(&receiver)).expect("the system starts a thread");
        Scribe { jobs }
    }

    /// Stores a worker's cut.
    pub fn store(&self, worker: usize, cut: Cut, reply: &Arc<Mail<Said>>) {
        // A thread that is gone has failed the run.
        let _gone = self.jobs.send(Job::Cut { worker, cut, reply: reply.clone() });
    }

    /// Writes a manifest.
    pub fn write(&self, whole: Whole, reply: &Arc<Mail<Settled>>) {
        let _gone = self.jobs.send(Job::Manifest { whole, reply: reply.clone() });
    }
}

impl Desk {
    fn work(mut self, jobs: &Receiver<Job>) {
        for job in jobs {
            match job {
                Job::Cut { worker, cut, reply } => reply.post(self.store(worker, cut)),
                Job::Manifest { whole, reply } => {
                    self.write(whole);
                    reply.post(Settled);
                }
            }
        }
    }

    fn store(&mut self, worker: usize, cut: Cut) -> Said {
        let Cut { checkpoint, pieces, positions, blocks, needed, shelf, .. } = cut;
        for (name, pieces) in blocks {
            let whole = |(mut piece, later): (Piece, Later)| {
                later(&mut piece.bytes);
                piece
            };
            let pieces = pieces.into_iter().map(whole).collect();
            // Blocks name no symbols by number.
            let bytes = encode(&name, &Symbols::default(), pieces, &shelf);
            self.once.owe(worker, name, bytes);
        }
        self.once.keep(worker, &needed);
        let object = part_name(self.generation, checkpoint, worker);
        let blocks = needed.into_iter().collect();
        let paid = self.once.pay(&*self.checkpoints.depot, worker);
        let stored = paid.and_then(|once| {
            let anew = self.put(&object, encode(&object, &self.symbols, pieces, &shelf))?;
            Ok(once + anew)
        });
        match stored {
            Ok(bytes) => {
                self.run.progress.checkpoint_part(bytes);
                let part = Part { object, bytes, positions, blocks };
                Said::Part { checkpoint, worker, part }
            }
            Err(error) => {
                self.run.progress.checkpoint_failed(&error.what);
                Said::Failed { checkpoint }
            }
        }
    }

    fn put(&self, object: &str, bytes: Vec<Bytes>) -> Result<u64, DepotError> {
        let length = length_of(&bytes);
        self.checkpoints.depot.put(object, bytes)?;
        Ok(length)
    }

    fn write(&mut self, whole: Whole) {
        let Some(claimed) = &mut self.claimed else { return };
        let Some((_, before)) = &claimed.manifest else { return };
        let manifest = Manifest {
            generation: claimed.generation,
            epoch: Some(whole.boundary),
            positions: whole.positions,
            bundles: whole.bundles,
            blocks: whole.blocks,
            ..before.clone()
        };
        let depot = &*self.checkpoints.depot;
        match note(depot, claimed, Entry::Manifest(manifest.clone())) {
            Ok(number) => {
                claimed.manifest = Some((number, manifest.clone()));
                self.run.progress.checkpoint_written(whole.boundary, whole.bytes);
                (self.checkpoints.listener)(&manifest);
                let (keep, current) = (self.checkpoints.keep, whole.checkpoint + 1);
                let now = (claimed.generation, current);
                match prune(depot, keep, now, &claimed.passed_over) {
                    Ok(Pruned { missing: None, .. }) => {}
                    // What was written once may have been taken away since.
                    Ok(Pruned { missing: Some(name), .. }) => {
                        self.run.progress.checkpoint_failed(&format!(
                            "{name} was written once and is not there any more: none is whole until it has left the \
                             horizon"
                        ));
                    }
                    Err(error) => self.run.progress.checkpoint_failed(&error.to_string()),
                }
            }
            Err(SequenceError::Depot(error)) => self.run.progress.checkpoint_failed(&error.what),
            Err(error) => self.run.fail(error.into()),
        }
    }
}

/// Creates an entry under the next number; which that was.
fn note(
    depot: &dyn super::Depot,
    claimed: &mut Claimed,
    entry: Entry,
) -> Result<u64, SequenceError> {
    let number = claimed.next;
    match create(depot, number, &entry) {
        Ok(()) => {
            claimed.next += 1;
            Ok(number)
        }
        // One of this run's own that the store took while it said that it failed.
        Err(SequenceError::Taken { number }) => {
            let name = format!("{}{number:020}", super::manifest::SEQUENCE);
            let there = depot.read(&name)?.and_then(|bytes| Entry::decode(&bytes));
            match there {
                Some(Entry::Manifest(old)) if old.generation == claimed.generation => {
                    claimed.next += 1;
                    note(depot, claimed, entry)
                }
                _ => Err(SequenceError::Taken { number }),
            }
        }
        Err(error) => Err(error),
    }
}
