//! What the first process knows and all must go by: told to every worker before a partition is opened.
//!
//! The time of a run's first start is recorded where rows are stored, by process 0. Admission counts
//! `max_ahead` from it, so a process that went by its own clock would admit other trades than its peers.

use super::run::PARK;
use market::Time;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Inspect, Probe, ToStream};
use timely::worker::Worker;

/// The time that worker 0 was given, whatever this one was; none when the run was stopped before.
pub(crate) fn told(worker: &mut Worker, given: Time, stop: &AtomicBool) -> Option<Time> {
    let said = (worker.index() == 0).then_some(given.ns());
    let heard = Rc::new(Cell::new(None));
    let (listening, done) = (heard.clone(), Handle::new());
    worker.dataflow::<u64, _, _>(|scope| {
        let words = said.to_stream(scope).broadcast();
        words.inspect(move |ns| listening.set(Some(*ns))).probe_with(&done);
    });
    while !done.done() && !stop.load(Ordering::Relaxed) {
        worker.step_or_park(Some(PARK));
    }
    heard.get().map(Time::from_ns)
}
