//! The partitions of a run: what process 0 tells of them, and those that join while it runs.

use super::run::{Opener, Start};
use market::{Epoch, Partition, PartitionError};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use timely::scheduling::SyncActivator;

/// Makes the openers of all partitions of a run, with their numbers, from what process 0 told.
pub type OpenAll = Box<dyn FnOnce(&str) -> Result<Vec<(usize, Opener)>, PartitionError> + Send>;

/// The partitions of a run, as a process is given them.
pub struct Inputs {
    /// What process 0 knows of them and tells all; the others' word is not heard.
    pub told: String,
    /// Makes their openers, in every process the same partitions with the same numbers.
    pub open: OpenAll,
    /// The greatest watermark of this process's partitions, raised as they are read: it is raised to that of
    /// the others' too.
    pub greatest: Option<Arc<AtomicI64>>,
    /// Where partitions come that join.
    pub joins: Joins,
}

impl From<Vec<Opener>> for Inputs {
    fn from(partitions: Vec<Opener>) -> Self {
        let open: OpenAll = Box::new(|_| Ok(partitions.into_iter().enumerate().collect()));
        Inputs { told: String::new(), open, greatest: None, joins: Joins::default() }
    }
}

/// Opens a partition whose watermark begins where an epoch does.
pub type JoinOpener =
    Box<dyn FnOnce(Start, Epoch) -> Result<Box<dyn Partition>, PartitionError> + Send>;

/// Where partitions are put that join a run: the first worker of this process that has read a partition to where
/// its log ends takes one. What that worker has made by then needs no partition that nobody knew of, in this run
/// and in every one before: it reached no further.
#[derive(Clone, Default)]
pub struct Joins(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    is_over: AtomicBool,
    count: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<(usize, JoinOpener)>,
    wakers: Vec<SyncActivator>,
}

impl Joins {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().expect("no holder of this lock panics")
    }

    /// Has a worker read one more partition, which has this number in the run.
    pub fn put(&self, number: usize, open: JoinOpener) {
        let mut inner = self.lock();
        inner.waiting.push_back((number, open));
        self.0.count.store(inner.waiting.len(), Ordering::SeqCst);
        for waker in &inner.wakers {
            // A worker that is gone takes none.
            let _gone = waker.activate();
        }
    }

    /// Whether nobody takes one any more: the run is over.
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }

    /// The run is over.
    pub(super) fn end(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }

    /// Whether one waits.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    /// Takes the one that has waited longest.
    pub(super) fn take(&self) -> Option<(usize, JoinOpener)> {
        let mut inner = self.lock();
        let taken = inner.waiting.pop_front();
        self.0.count.store(inner.waiting.len(), Ordering::SeqCst);
        taken
    }

    /// Who is woken when one comes.
    pub(super) fn wake_by(&self, waker: SyncActivator) {
        self.lock().wakers.push(waker);
    }
}
