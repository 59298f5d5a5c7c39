//! How far a partition reads ahead of the slowest, and that the slowest always reads.

use super::*;
use crate::graph::Watch;
use crate::graph::ahead::AHEAD_MAX;
use crate::tick::Horizons;
use market::{Admitted, Counts, EpochLength, Offset, PartitionError, Price, Size, Time, Waker};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A partition of one trade a batch, whose epochs rise by `step`.
struct Steps {
    epoch: Epoch,
    step: i64,
    symbols: Symbols,
    polls: Arc<AtomicUsize>,
}

impl Partition for Steps {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let mut batch = Admitted::default();
        batch.runs.push(market::Run { epoch: self.epoch, rows: 0..1 });
        batch.trades.ts_event.push(Time::from_ns(self.epoch * Time::SECOND));
        batch.trades.symbol.push(self.symbols.intern(b"A").unwrap());
        batch.trades.price.push(Price::from_raw(1));
        batch.trades.size.push(Size::from_raw(1));
        batch.trades.offset.push(Offset::from_raw(0));
        self.epoch += self.step;
        Ok(Polled::Batch(Box::new(batch)))
    }

    fn recycle(&mut self, _batch: Box<Admitted>) {}

    fn wake_by(&mut self, _waker: Waker) {}

    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

#[test]
fn a_partition_waits_for_the_slowest_which_reads_on() {
    let symbols = Symbols::default();
    // Each batch of the second partition closes a bar.
    let plan = TickPlan {
        epoch: EpochLength::SECOND,
        horizons: Horizons::all(Time::SECOND),
        bases: vec!["1s".parse().unwrap()],
        reaches: false,
        is_pooled: false,
    };
    let polls = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let partition = |(number, step): (usize, i64)| {
        let (symbols, polls) = (symbols.clone(), polls[number].clone());
        (number, Box::new(Steps { epoch: 100, step, symbols, polls }) as Box<dyn Partition>)
    };
    // The first stays in its epoch; each batch of the second is one epoch on.
    let partitions = [0, 1].map(|step| partition((step as usize, step))).into();
    let run = Arc::new(Run::new(Watch::default(), Vec::new().into(), None));
    let mut readers =
        Readers::new(partitions, &plan, symbols.clone(), 1, Cuts::open(), run, Time::from_ns(0));
    let read = || polls.each_ref().map(|polls| polls.load(Ordering::Relaxed));
    // The first batch closes nothing, each later one the bar before it.
    let far = AHEAD_MAX + 1;
    let rounds = far.div_ceil(ROUND_BATCHES) + 8;
    for round in 1..=rounds {
        let blocked = readers.round(100).blocked;
        let batches = round * ROUND_BATCHES;
        assert_eq!((read(), blocked), ([batches, batches.min(far)], batches > far));
    }
    assert_eq!(readers.epoch(), Some(100));
    // A part of what it is ahead by is complete, so there is room for as much.
    let part = AHEAD_MAX as i64 / 16;
    (0..rounds).for_each(|_| drop(readers.round(100 + 1 + part)));
    assert_eq!(read(), [2 * rounds * ROUND_BATCHES, far + part as usize]);
}

#[test]
fn a_live_partition_is_not_stopped_by_how_small_its_batches_are() {
    let symbols = Symbols::default();
    let plan = TickPlan {
        epoch: EpochLength::SECOND,
        horizons: Horizons::all(Time::SECOND),
        bases: vec!["1d".parse().unwrap()],
        reaches: false,
        is_pooled: false,
    };
    let polls = Arc::new(AtomicUsize::new(0));
    let steps = Steps { epoch: 101, step: 0, symbols: symbols.clone(), polls: polls.clone() };
    let partitions = vec![(0, Box::new(steps) as Box<dyn Partition>)];
    let run = Arc::new(Run::new(Watch::default(), Vec::new().into(), None));
    let mut readers =
        Readers::new(partitions, &plan, symbols, 1, Cuts::open(), run, Time::from_ns(0));
    // Another one, elsewhere, stays behind.
    (0..AHEAD_MAX).for_each(|_| assert!(!readers.round(100).blocked));
    assert_eq!(polls.load(Ordering::Relaxed), AHEAD_MAX * ROUND_BATCHES);
}
