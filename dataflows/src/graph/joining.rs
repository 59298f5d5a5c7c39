//! Partitions that join the readers of a worker while it runs, and what readers say of themselves.

use super::inputs::Joins;
use super::reader::{Reader, Readers};
use super::run::{RunError, Shared as Run, Start};
use crate::tick::TickOutput;
use market::Epoch;
use timely::scheduling::SyncActivator;

impl Readers {
    /// Has partitions that join wake the worker, where it reads any.
    pub(crate) fn join_by(&self, waker: SyncActivator) {
        if !self.readers.is_empty() {
            self.run.joins.wake_by(waker);
        }
    }

    /// Takes a partition that joins, once one of its own was read to where its log ends: the new one begins in
    /// that one's epoch, which the capability allows, and no run before has completed.
    pub(super) fn join(&mut self) {
        let at_end = |reader: &&Reader| {
            let is_read = !reader.done && !reader.leads && reader.waits.is_none();
            is_read && reader.held.is_none() && reader.partition.is_at_end()
        };
        let epochs = self.readers.iter().filter(at_end).map(|reader| reader.path.epoch());
        let Some(epoch) = epochs.max().filter(|&epoch| epoch > Epoch::MIN) else { return };
        let Some((number, open)) = self.run.joins.take() else { return };
        match open(Start { at: self.at, saved: None }, epoch) {
            Ok(mut partition) => {
                self.waker.iter().for_each(|waker| partition.wake_by(waker.clone()));
                let mut reader = Reader::new(number, partition, &self.plan, &self.run);
                reader.go_by(&self.course);
                if let Err(error) = reader.follow_at_once(&self.run.joins) {
                    return self.run.fail(error);
                }
                // Nothing was open before: there is nothing to say.
                reader.path.enter(epoch, &mut TickOutput::default());
                reader.cut = self.cuts.widen(epoch);
                self.readers.push(reader);
            }
            Err(error) => self.run.fail(error.into()),
        }
    }
}

impl Reader {
    /// Joins behind a log that has ended.
    pub(super) fn follow_at_once(&mut self, joins: &Joins) -> Result<(), RunError> {
        let Some(left) = self.waits.and_then(|number| joins.left(number)) else { return Ok(()) };
        self.partition.follow(&left)?;
        self.waits = None;
        Ok(())
    }

    /// Says how far it is.
    pub(super) fn report(&self, run: &Run) {
        let partition = &self.partition;
        run.progress.report(
            self.number,
            || partition.name(),
            |known| {
                known.counts = partition.counts();
                known.counts.late = self.path.late();
                known.part = partition.progress();
                known.position = partition.position();
                known.next_offset = partition.next_offset();
                known.watermark = partition.watermark();
                (known.epoch, known.ended) = (self.path.epoch(), self.done);
            },
        );
    }
}
