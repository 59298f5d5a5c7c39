//! What the first process knows and all must go by, and what all must have alike: told to every worker
//! before a partition is opened.
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

/// What a worker heard of all.
#[derive(Clone, Copy, Default)]
pub(crate) struct Heard {
    /// The time that worker 0 was given.
    pub start: Time,
    /// Whether some worker was given other terms than this one.
    pub differs: bool,
}

/// What all workers say, of which the first one's time counts and the terms must be one; none when the
/// run was stopped before.
pub(crate) fn told(
    worker: &mut Worker,
    (given, terms): &(Time, String),
    stop: &AtomicBool,
) -> Option<Heard> {
    let said = Some((worker.index() as u64, given.ns(), terms.clone()));
    let heard = Rc::new(Cell::new(Heard::default()));
    let (listening, mine, done) = (heard.clone(), terms.clone(), Handle::new());
    worker.dataflow::<u64, _, _>(|scope| {
        let words = said.to_stream(scope).broadcast();
        words
            .inspect(move |(worker, ns, other)| {
                let mut heard = listening.get();
                heard.differs |= *other != mine;
                if *worker == 0 {
                    heard.start = Time::from_ns(*ns);
                }
                listening.set(heard);
            })
            .probe_with(&done);
    });
    while !done.done() && !stop.load(Ordering::Relaxed) {
        worker.step_or_park(Some(PARK));
    }
    done.done().then(|| heard.get())
}
