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
    pool: Option<u32>,
    /// Whether each is a part, with a bar to fold again.
    in_parts: bool,
}

fn plan(base: &str) -> TickPlan {
    TickPlan {
        epoch: EpochLength::SECOND,
        horizons: Horizons::all(Time::SECOND),
        bases: vec![base.parse().unwrap()],
        reaches: false,
        is_pooled: false,
    }
}

/// Readers of these partitions alone.
fn readers(
    partitions: Vec<(usize, Box<dyn Partition>)>,
    plan: &TickPlan,
    symbols: &Symbols,
) -> Readers {
    let run = Arc::new(Run::new(Watch::default(), Vec::new().into(), None));
    Readers::new(partitions, plan, symbols.clone(), 1, Cuts::open(), run, Time::from_ns(0))
}

impl Partition for Steps {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let mut batch = Admitted::default();
        batch.runs.push(market::Run { epoch: self.epoch, rows: 0..1 });
        batch.trades.ts_event.push(Time::from_ns(self.epoch * Time::SECOND));
        let symbol = self.symbols.intern(b"A").unwrap();
        batch.trades.symbol.push(symbol);
        batch.trades.price.push(Price::from_raw(1));
        batch.trades.size.push(Size::from_raw(1));
        batch.trades.offset.push(Offset::from_raw(0));
        let ts = batch.trades.ts_event[0];
        batch.touched.extend(self.in_parts.then_some(market::Touched { symbol, ts }));
        self.epoch += self.step;
        Ok(Polled::Batch(Box::new(batch)))
    }

    fn recycle(&mut self, _batch: Box<Admitted>) {}

    fn wake_by(&mut self, _waker: Waker) {}

    fn pool(&self) -> Option<u32> {
        self.pool
    }

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
    let plan = plan("1s");
    let polls = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let partition = |(number, step): (usize, i64)| {
        let (symbols, polls) = (symbols.clone(), polls[number].clone());
        let steps = Steps { epoch: 100, step, symbols, polls, pool: None, in_parts: false };
        (number, Box::new(steps) as Box<dyn Partition>)
    };
    // The first stays in its epoch; each batch of the second is one epoch on.
    let partitions = [0, 1].map(|step| partition((step as usize, step))).into();
    let mut readers = readers(partitions, &plan, &symbols);
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

/// Reads one partition whose epochs rise by `step` until it is stopped, or [`AHEAD_MAX`] rounds are over; how often it
/// was polled.
fn polled(step: i64, pool: Option<u32>) -> usize {
    let (symbols, polls) = (Symbols::default(), Arc::new(AtomicUsize::new(0)));
    let (own, told) = (symbols.clone(), polls.clone());
    let steps = Steps { epoch: 101, step, symbols: own, polls: told, pool, in_parts: false };
    let plan = TickPlan { is_pooled: pool.is_some(), ..plan("1d") };
    let mut readers = readers(vec![(0, Box::new(steps))], &plan, &symbols);
    // Another one, elsewhere, stays behind.
    let _blocked = (0..AHEAD_MAX).find(|_| readers.round(100).blocked);
    polls.load(Ordering::Relaxed)
}

#[test]
fn a_live_partition_is_not_stopped_by_how_small_its_batches_are() {
    assert_eq!(polled(0, None), AHEAD_MAX * ROUND_BATCHES);
}

#[test]
fn a_partition_of_a_pool_is_stopped_by_the_trades_that_wait_elsewhere() {
    assert_eq!(polled(1, Some(0)), AHEAD_MAX);
}

#[test]
fn parts_of_batches_are_read_in_one_round() {
    let (symbols, polls) = (Symbols::default(), Arc::new(AtomicUsize::new(0)));
    let (own, told) = (symbols.clone(), polls.clone());
    let steps =
        Steps { epoch: 100, step: 1, symbols: own, polls: told, pool: None, in_parts: true };
    let mut readers = readers(vec![(0, Box::new(steps))], &plan("1d"), &symbols);
    for round in 1..=3 {
        assert!(readers.round(100).busy);
        assert_eq!(polls.load(Ordering::Relaxed), round * ROUND_PARTS);
    }
}
