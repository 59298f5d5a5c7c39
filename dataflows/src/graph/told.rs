//! What the first process knows and all must go by, and what all must have alike: told to every worker
//! before a partition is opened.
//!
//! The time of a run's first start is recorded where rows are stored, by process 0. Admission counts
//! `max_ahead` from it, so a process that went by its own clock would admit other trades than its peers.

use super::run::PARK;
use market::Time;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Inspect, Probe, ToStream};
use timely::worker::Worker;

/// What a worker is given, and says.
pub(crate) struct Given {
    /// When the run first started, as worker 0 knows it.
    pub start: Time,
    /// What all must have alike.
    pub terms: String,
    /// What is to be known of the partitions, on worker 0.
    pub inputs: String,
    /// Workers of this process.
    pub threads: usize,
    /// Whether there are other processes.
    pub together: bool,
    /// The generation that was claimed, on worker 0.
    pub generation: u64,
    /// The entry of the checkpoint that the run goes on from, on worker 0.
    pub from: Option<String>,
}

/// What a worker heard of all.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    /// The time that worker 0 was given.
    pub start: Time,
    /// The generation that worker 0's process claimed.
    pub generation: u64,
    /// The entry of the checkpoint that worker 0 goes on from.
    pub from: Option<String>,
    /// What worker 0 knows of the partitions.
    pub inputs: String,
    /// Whether some worker was given other terms than this one.
    pub differs: bool,
}

/// What all workers say, of which the first one's time counts and the terms must be one; none when the
/// run was stopped before.
pub(crate) fn told(worker: &mut Worker, given: &Given, stop: &AtomicBool) -> Option<Heard> {
    let is_first = worker.index() == 0;
    let from = given.from.clone().filter(|_| is_first);
    let inputs = if is_first { given.inputs.clone() } else { String::new() };
    let start = (given.start.ns(), given.generation);
    let said = Some((worker.index() as u64, start, given.terms.clone(), (from, inputs)));
    let heard = Rc::new(RefCell::new(Heard::default()));
    let (listening, mine, done) = (heard.clone(), given.terms.clone(), Handle::new());
    worker.dataflow::<u64, _, _>(|scope| {
        let words = said.to_stream(scope).broadcast();
        words
            .inspect(move |(worker, (ns, generation), other, (from, inputs))| {
                let mut heard = listening.borrow_mut();
                heard.differs |= *other != mine;
                if *worker == 0 {
                    heard.start = Time::from_ns(*ns);
                    heard.generation = *generation;
                    heard.from.clone_from(from);
                    heard.inputs.clone_from(inputs);
                }
            })
            .probe_with(&done);
    });
    while !done.done() && !stop.load(Ordering::Relaxed) {
        worker.step_or_park(Some(PARK));
    }
    done.done().then(|| heard.take())
}
