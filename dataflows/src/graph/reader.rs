//! The readers of a worker's partitions: poll, fold, send what changed, move the capability.
//!
//! The capability stands at the least epoch that any of the worker's partitions can still change. A
//! partition reads ahead of the slowest until it has changed so much that is not yet
//! complete everywhere ([`Ahead`]); the one that holds the frontier may always read. No reader enters an epoch that was
//! not granted, and each is cut when it crosses a boundary: what was folded before it, what admission knows,
//! and the rows in hand beyond it.

use super::ahead::{Ahead, changes};
use super::by_epoch::RESERVE_MAX;
use super::held::{Held, block_name, load_letters, piece_name, saved_of};
use super::run::{RunError, Shared as Run};
use super::ticks::Left;
use crate::checkpoint::{Cuts, Gate, Restored};
use crate::tick::{Course, TickOutput, TickPath, TickPlan};
use crate::wire::{Names, Parcel, Partials, Pooled};
use market::{Epoch, Partition, Polled, Symbols, Time, Waker};
use std::collections::VecDeque;
use std::sync::Arc;

/// Batches that a partition reads at a time where it has as many: what they change goes out in one
/// message, and the workers tell each other once how far they are.
const ROUND_BATCHES: usize = 4;
/// Parts of a batch, each ended by a correction, that it reads besides: where there is a correction an epoch, a part is
/// an epoch, and as many messages would go out.
const ROUND_PARTS: usize = 64;

/// One partition that this worker reads.
pub(crate) struct Reader {
    pub(super) number: usize,
    pub(super) partition: Box<dyn Partition>,
    pub(super) path: TickPath,
    /// The pool where its trades are judged and folded, and what its log is called.
    pub(super) pool: Option<Pooled>,
    /// The partition that must have ended before this one is read.
    pub(super) waits: Option<u32>,
    /// Nothing of it is timed before.
    pub(super) floor: Epoch,
    /// Whether others are read behind it.
    pub(super) leads: bool,
    /// Whether its end closes nothing.
    pub(super) stays_open: bool,
    /// What it changed, as long as the graph has not completed it.
    ahead: Ahead,
    /// A batch that is not folded to its end.
    pub(super) held: Option<Held>,
    /// The last boundary it was cut at.
    pub(super) cut: Epoch,
    /// The objects that hold what its cuts wrote once and is still needed, oldest first.
    pub(super) blocks: VecDeque<String>,
    /// The log has ended, and what is open waits to be closed.
    ending: bool,
    pub(super) done: bool,
}

/// What a step of a reader found.
enum Step {
    /// A batch, or the end.
    Read,
    /// A part of a batch, or its last.
    Part,
    /// Nothing to read yet.
    Idle,
    /// An epoch that was not granted yet.
    Barred,
}

/// What one round of reading brought.
#[derive(Default)]
pub(crate) struct Round {
    /// Changed partials.
    pub partials: Partials,
    /// Letters and final counts.
    pub leaving: Vec<Parcel>,
    /// What partitions that have ended left to those behind them.
    pub left: Vec<Left>,
    /// Whether some partition has more at once.
    pub busy: bool,
    /// Whether some partition waits for the graph to complete epochs.
    pub blocked: bool,
    /// Whether one waits to join.
    pub joining: bool,
}

/// All partitions of a worker.
pub(crate) struct Readers {
    pub(super) readers: Vec<Reader>,
    symbols: Symbols,
    peers: usize,
    pub(super) cuts: Cuts,
    pub(super) run: Arc<Run>,
    pub(super) plan: TickPlan,
    pub(super) course: Course,
    /// When the run first started.
    pub(super) at: Time,
    pub(super) waker: Option<Waker>,
    /// Letters that a restored cut sends again.
    letters: Vec<Parcel>,
    /// Rows of the longest round so far, at most [`RESERVE_MAX`]: one as long need not move while it grows.
    reserve: usize,
}

impl Readers {
    /// The partitions this worker reads, each with its number in the run.
    pub(crate) fn new(
        partitions: Vec<(usize, Box<dyn Partition>)>,
        plan: &TickPlan,
        symbols: Symbols,
        peers: usize,
        cuts: Cuts,
        run: Arc<Run>,
        at: Time,
    ) -> Self {
        let reader = |(number, partition)| Reader::new(number, partition, plan, &run);
        let readers = partitions.into_iter().map(reader).collect();
        let (plan, course, letters) = (plan.clone(), Course::default(), Vec::new());
        let (waker, reserve) = (None, 0);
        Readers { readers, symbols, peers, cuts, run, plan, course, at, waker, letters, reserve }
    }

    /// Goes on from a checkpoint: partitions were opened with what it holds of them.
    pub(crate) fn restore(&mut self, from: &Restored) {
        for reader in &mut self.readers {
            let name = piece_name(reader.number);
            for (mut words, bytes) in from.bundles.iter().flat_map(|bundle| bundle.pieces(&name)) {
                reader.path.restore(&mut words);
                reader.held = Some(Held::load(reader.pool.is_some(), &mut words));
                self.letters.push(load_letters(saved_of(bytes).1));
            }
            let blocks = block_name(reader.number);
            reader.blocks = from.blocks(&blocks).map(|(object, _)| object.to_owned()).collect();
            reader.cut = from.manifest.epoch.unwrap_or(Epoch::MIN);
            self.cuts.enter(reader.cut);
        }
    }

    /// How many partitions there are.
    pub(crate) fn len(&self) -> usize {
        self.readers.len()
    }

    /// Has every partition wake the worker by `waker`.
    pub(crate) fn wake_by(&mut self, waker: Waker) {
        self.readers.iter_mut().for_each(|reader| reader.partition.wake_by(waker.clone()));
        self.waker = Some(waker);
    }

    /// The least epoch that can still change; `None` when all partitions have ended.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.readers.iter().filter(|reader| !reader.done).map(Reader::epoch).min()
    }

    /// Polls every partition that may read. `complete` is the least epoch that is not complete.
    pub(crate) fn round(&mut self, complete: Epoch) -> Round {
        let mut round = Round { leaving: std::mem::take(&mut self.letters), ..Round::default() };
        if self.run.joins.any() {
            self.join();
        }
        let mut ticks = TickOutput::default();
        ticks.rows.reserve(self.reserve);
        for reader in &mut self.readers {
            let was_done = reader.done;
            if let Err(error) = reader.round(complete, &self.cuts, &mut ticks, &mut round) {
                self.run.fail(error);
            }
            reader.path.tell();
            if !was_done {
                reader.report(&self.run);
            }
        }
        round.joining = self.run.joins.any();
        self.reserve = self.reserve.max(ticks.rows.len()).min(RESERVE_MAX);
        self.address(ticks, &mut round);
        round
    }

    fn address(&self, ticks: TickOutput, round: &mut Round) {
        let partials = &mut round.partials;
        partials.rows = ticks.rows;
        // Batches of several partitions stand one behind the other, each by rising epoch.
        if !partials.rows.is_sorted_by_key(|row| row.epoch) {
            partials.rows.sort_by_key(|row| row.epoch);
        }
        for reach in ticks.reaches {
            partials.reaches.extend((0..self.peers as u32).map(|to| (to, reach)));
        }
        if self.plan.is_pooled {
            partials.leave(&round.left, self.peers as u32);
        }
        partials.names = Names::Here(self.symbols.clone());
    }
}

impl Reader {
    pub(super) fn new(
        number: usize,
        partition: Box<dyn Partition>,
        plan: &TickPlan,
        run: &Run,
    ) -> Self {
        let pool = partition.pool().map(|pool| Pooled {
            pool,
            partition: number as u32,
            source: partition.name().into(),
            trades: Vec::new(),
        });
        let mut path = match pool {
            None => TickPath::new(plan.clone(), number as u32),
            Some(_) => TickPath::passing(plan.clone(), number as u32),
        };
        if pool.is_none() {
            run.live.iter().for_each(|live| path.show(live));
        }
        Reader {
            number,
            partition,
            path,
            pool,
            waits: None,
            floor: Epoch::MIN,
            leads: false,
            stays_open: false,
            ahead: Ahead::default(),
            held: None,
            cut: Epoch::MIN,
            blocks: VecDeque::new(),
            ending: false,
            done: false,
        }
    }

    /// Reads as many batches as it may.
    fn round(
        &mut self,
        complete: Epoch,
        cuts: &Cuts,
        ticks: &mut TickOutput,
        round: &mut Round,
    ) -> Result<(), RunError> {
        self.ahead.pass(complete);
        let gate = cuts.gate();
        if self.waits.is_some() {
            return self.wait(gate, cuts);
        }
        let (mut batches, mut parts) = (0, 0);
        while batches < ROUND_BATCHES && parts < ROUND_PARTS && !self.done {
            // The one that holds the frontier must go on, or nothing would.
            if self.ahead.is_far() && self.path.epoch() > complete {
                round.blocked = true;
                break;
            }
            let before = changes(ticks, &round.partials);
            let step = self.step(gate, cuts, ticks, round)?;
            self.ahead.add(self.path.epoch(), changes(ticks, &round.partials) - before);
            match step {
                Step::Read => batches += 1,
                Step::Part => parts += 1,
                Step::Idle | Step::Barred => break,
            }
            round.busy = true;
        }
        if self.done {
            // Nothing changes any more: every boundary finds the same.
            self.fall_behind(gate.boundary);
            self.cut_at(gate.boundary, cuts)?;
        } else {
            cuts.reach(self.path.epoch());
        }
        Ok(())
    }

    /// Folds what is in hand, or else the next batch.
    fn step(
        &mut self,
        gate: Gate,
        cuts: &Cuts,
        ticks: &mut TickOutput,
        round: &mut Round,
    ) -> Result<Step, RunError> {
        if self.held.is_none() && !self.ending {
            match self.partition.poll()? {
                Polled::Pending => return Ok(Step::Idle),
                Polled::Batch(batch) => {
                    let held = Held::new(batch);
                    if !held.letters.is_empty() {
                        self.ahead.add(self.path.epoch(), held.letters.len());
                        round.leaving.push(Parcel::Letters(held.letters.clone()));
                    }
                    self.held = Some(held);
                }
                Polled::End => self.ending = true,
            }
        }
        if self.ending {
            return self.end(gate, cuts, ticks, round);
        }
        while let Some(held) = &self.held {
            let Some(run) = held.run() else { break };
            let epoch = run.epoch;
            if !self.enter(epoch, gate, cuts, ticks)? {
                return Ok(Step::Barred);
            }
            if let Some(held) = &mut self.held {
                let run = &held.batch.runs[held.next];
                match &self.pool {
                    None => self.path.fold_run(&held.batch, run),
                    Some(to) => {
                        let greatest = round.partials.pass_on(&held.batch, run, to);
                        self.path.pass(greatest);
                    }
                }
                held.next += 1;
            }
        }
        let mut step = Step::Read;
        if let Some(held) = self.held.take() {
            if !held.batch.touched.is_empty() {
                step = Step::Part;
                let partition = &mut self.partition;
                self.path.fold_again(&held.batch.touched, &mut |symbol, from, to, each| {
                    partition.ticks(symbol, from, to, each);
                });
            }
            self.partition.recycle(held.batch);
        }
        Ok(step)
    }

    /// Enters `epoch`, if it is a new one that was granted, and is cut at a boundary on the way.
    fn enter(
        &mut self,
        epoch: Epoch,
        gate: Gate,
        cuts: &Cuts,
        ticks: &mut TickOutput,
    ) -> Result<bool, RunError> {
        if epoch <= self.path.epoch() {
            return Ok(true);
        }
        if !self.cross(epoch, gate, cuts, ticks)? {
            return Ok(false);
        }
        self.path.enter(epoch, ticks);
        Ok(true)
    }

    /// Whether `epoch` was granted; if so, it is cut at a boundary before it.
    fn cross(
        &mut self,
        epoch: Epoch,
        gate: Gate,
        cuts: &Cuts,
        ticks: &mut TickOutput,
    ) -> Result<bool, RunError> {
        if epoch >= gate.granted {
            cuts.reach(epoch);
            return Ok(false);
        }
        if let Some(boundary) = gate.boundary.filter(|&at| self.cut < at && at <= epoch) {
            self.path.enter(boundary, ticks);
            self.cut_at(Some(boundary), cuts)?;
        }
        cuts.enter(epoch);
        Ok(true)
    }

    /// Closes what is open, once that was granted.
    fn end(
        &mut self,
        gate: Gate,
        cuts: &Cuts,
        ticks: &mut TickOutput,
        round: &mut Round,
    ) -> Result<Step, RunError> {
        if self.leads {
            self.hand_over(ticks, round)?;
            return Ok(Step::Read);
        }
        if self.stays_open {
            self.finish(round);
            return Ok(Step::Read);
        }
        if let Some(last) = self.path.last_close()
            && !self.cross(last, gate, cuts, ticks)?
        {
            return Ok(Step::Barred);
        }
        self.path.end(ticks);
        self.finish(round);
        Ok(Step::Read)
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
