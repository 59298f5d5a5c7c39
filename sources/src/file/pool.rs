//! The decoder threads of a run, shared by all its partitions.
//!
//! The queue needs no bound of its own: every partition has a bound on what it asks for.

use super::desk::{Desk, Spare};
use market::Symbols;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Decoder threads a run may have.
const THREADS_MAX: usize = 256;

type Job = Box<dyn FnOnce(&mut Desk) + Send>;

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    jobs: Mutex<Jobs>,
    ready: Condvar,
}

/// Ends its threads when dropped; jobs that wait then are dropped too.
pub(super) struct Pool {
    shared: Arc<Shared>,
    pub(super) threads: usize,
    pub(super) spare: Spare,
}

impl Pool {
    pub(super) fn new(threads: usize, symbols: &Symbols) -> std::io::Result<Arc<Pool>> {
        let threads = threads.clamp(1, THREADS_MAX);
        let pool = Pool { shared: Arc::default(), threads, spare: Spare::default() };
        for k in 0..threads {
            let (shared, symbols) = (pool.shared.clone(), symbols.clone());
            let spare = pool.spare.clone();
            std::thread::Builder::new()
                .name(format!("decode-{k}"))
                .spawn(move || work(&shared, &symbols, &spare))?;
        }
        Ok(Arc::new(pool))
    }

    pub(super) fn submit(&self, job: Job) {
        let mut jobs = self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.waiting.push_back(job);
        drop(jobs);
        self.shared.ready.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut jobs = self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.closed = true;
        let waiting = std::mem::take(&mut jobs.waiting);
        drop(jobs);
        self.shared.ready.notify_all();
        drop(waiting);
    }
}

fn work(shared: &Shared, symbols: &Symbols, spare: &Spare) {
    let mut desk = Desk::new(symbols.clone(), spare.clone());
    loop {
        let mut jobs = shared.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = loop {
            if jobs.closed {
                return;
            }
            match jobs.waiting.pop_front() {
                Some(job) => break job,
                None => {
                    jobs = shared.ready.wait(jobs).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        drop(jobs);
        // A decoder library may panic on a corrupt file; the job's stream then reports it.
        if catch_unwind(AssertUnwindSafe(|| job(&mut desk))).is_err() {
            desk = Desk::new(symbols.clone(), spare.clone());
        }
    }
}
