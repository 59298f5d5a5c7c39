//! Readers of logs that follow one another: what one has left, and how another waits for it.
//!
//! A log that others are read behind ends without closing what is open: its partials go out, each at its own time, and
//! the bars are closed by those behind it. In a checkpoint it holds the bars that are open there, so that a run which
//! goes on from it hands over the same again. A log that waits is in a checkpoint as one that has not begun.

use super::reader::{Reader, Readers, Round};
use super::run::RunError;
use super::ticks::Left;
use crate::checkpoint::{Cuts, Gate};
use crate::tick::{Course, TickOutput};
use crate::wire::Parcel;
use market::Epoch;

impl Readers {
    /// Has them go by `course`.
    pub(crate) fn on(mut self, course: &Course) -> Self {
        self.readers.iter_mut().for_each(|reader| reader.go_by(course));
        self.course = course.clone();
        self
    }

    /// Begins what waits for the logs that have left something.
    pub(super) fn hear(&mut self, told: &mut Vec<Left>) {
        for (number, left) in told.drain(..) {
            for reader in self.readers.iter_mut().filter(|reader| reader.waits == Some(number)) {
                match reader.partition.follow(&left) {
                    Ok(()) => reader.waits = None,
                    Err(error) => self.run.fail(error.into()),
                }
            }
            self.run.joins.hear(number, left);
        }
    }

    /// Nothing that is waited for can be timed before `frontier` any more.
    pub(super) fn wait_until(&mut self, frontier: Option<Epoch>) {
        // Without one all have ended, and what they left was told.
        let Some(frontier) = frontier else { return };
        for reader in self.readers.iter_mut().filter(|reader| reader.waits.is_some()) {
            reader.floor = reader.floor.max(frontier);
        }
    }
}

impl Reader {
    /// Goes by `course`.
    pub(super) fn go_by(&mut self, course: &Course) {
        self.waits = self.partition.behind();
        self.leads = course.leads(self.number as u32);
        self.stays_open = course.is_open();
    }

    /// The least epoch that it can still change.
    pub(super) fn epoch(&self) -> Epoch {
        self.path.epoch().max(self.floor)
    }

    /// Has not begun: a boundary that nothing of it can come before finds it so.
    pub(super) fn wait(&mut self, gate: Gate, cuts: &Cuts) -> Result<(), RunError> {
        let is_new = self.path.epoch() == Epoch::MIN;
        self.cut_at(gate.boundary.filter(|&at| is_new && at <= self.floor), cuts)
    }

    /// The log has ended, and others are read behind it.
    pub(super) fn hand_over(
        &mut self,
        ticks: &mut TickOutput,
        round: &mut Round,
    ) -> Result<(), RunError> {
        self.path.hand_over(ticks);
        let mut left = Vec::new();
        if !self.partition.snapshot(&mut left) {
            return Err(RunError::NoSnapshot(self.number));
        }
        round.left.push((self.number as u32, left));
        self.finish(round);
        Ok(())
    }

    /// Nothing comes any more.
    pub(super) fn finish(&mut self, round: &mut Round) {
        self.done = true;
        let mut counts = self.partition.counts();
        counts.late = self.path.late();
        round.leaving.push(Parcel::Counts(counts));
    }

    /// Those behind it have come to `boundary`: what they closed before it is not handed over again.
    pub(super) fn fall_behind(&mut self, boundary: Option<Epoch>) {
        if let Some(boundary) = boundary.filter(|&at| self.leads && self.cut < at) {
            self.path.enter(boundary, &mut TickOutput::default());
            self.partition.pass(self.path.start());
        }
    }
}
