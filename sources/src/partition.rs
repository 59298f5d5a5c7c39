//! A feed behind its admission: the partition that the graph reads.

use crate::admission::{Admission, AdmissionConfig, Judged, Place, SnapshotError};
use crate::{Decoded, Fed, Feed};
use market::{Admitted, Counts, Epoch, EpochLength, Offset, Partition, PartitionError, Polled};
use market::{Symbols, Waker};

/// Batches whose columns may be away at once, so that their shells are kept for them.
const SHELLS_MAX: usize = 64;

/// A partition that reads a feed and judges its records in log order.
pub struct AdmittedPartition {
    feed: Box<dyn Feed>,
    admission: Admission,
    /// Batches whose columns are with the graph.
    #[expect(clippy::vec_box, reason = "the boxes are handed on as they are")]
    shells: Vec<Box<Decoded>>,
    /// What carries columns to the graph, come back.
    #[expect(clippy::vec_box, reason = "the boxes are handed on as they are")]
    carriers: Vec<Box<Admitted>>,
    /// A batch that judging stopped in, and where.
    rest: Option<(Box<Decoded>, Place)>,
    /// What a snapshot had judged, and the feed still reads again.
    after: Option<Offset>,
    ended: bool,
}

impl AdmittedPartition {
    /// Partition number `partition` of the run over `feed`, whose symbols are those of `symbols`.
    pub fn new(
        feed: Box<dyn Feed>,
        config: AdmissionConfig,
        length: EpochLength,
        symbols: Symbols,
        partition: u32,
    ) -> Self {
        Self::over(feed, Admission::new(config, length, symbols, partition), None)
    }

    /// As [`AdmittedPartition::new`], going on from what [`Partition::snapshot`] gave. The feed may begin
    /// anywhere up to [`AdmittedPartition::position`] of the snapshot.
    ///
    /// # Errors
    /// Refuses bytes that are no snapshot.
    pub fn restore(
        feed: Box<dyn Feed>,
        config: AdmissionConfig,
        length: EpochLength,
        symbols: Symbols,
        partition: u32,
        snapshot: &[u8],
    ) -> Result<Self, SnapshotError> {
        let admission = Admission::restore(config, length, symbols, partition, snapshot)?;
        let after = admission.position();
        Ok(Self::over(feed, admission, Some(after)))
    }

    fn over(feed: Box<dyn Feed>, admission: Admission, after: Option<Offset>) -> Self {
        let (shells, carriers) = (Vec::new(), Vec::new());
        AdmittedPartition { feed, admission, shells, carriers, rest: None, after, ended: false }
    }

    /// Of the last record that a snapshot had judged.
    pub fn position(snapshot: &[u8]) -> Option<Offset> {
        let word = snapshot.first_chunk()?;
        Some(Offset::from_raw(u64::from_le_bytes(*word)))
    }

    /// The admission behind it.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    fn judge(&mut self, mut batch: Box<Decoded>, place: Place) -> Polled {
        let judged = self.admission.admit_from(&mut batch, place);
        self.hand_out(batch, judged)
    }

    fn hand_out(&mut self, mut batch: Box<Decoded>, judged: Judged) -> Polled {
        let mut admitted = self.carriers.pop().unwrap_or_default();
        admitted.trades = std::mem::take(&mut batch.trades);
        (admitted.runs, admitted.letters) = (judged.runs, judged.letters);
        for letter in &mut admitted.letters {
            letter.source = self.feed.source_of(letter.offset);
        }
        match judged.rest {
            Some(place) => self.rest = Some((batch, place)),
            None if self.shells.len() < SHELLS_MAX => self.shells.push(batch),
            None => {}
        }
        Polled::Batch(admitted)
    }
}

impl Partition for AdmittedPartition {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        if self.ended {
            return Ok(Polled::End);
        }
        if let Some((batch, place)) = self.rest.take() {
            return Ok(self.judge(batch, place));
        }
        match self.feed.poll()? {
            Fed::Pending => Ok(Polled::Pending),
            Fed::Batch(mut batch) => {
                let place = Place::behind(self.after, &mut batch);
                Ok(self.judge(batch, place))
            }
            Fed::End => {
                self.ended = true;
                let mut batch = Box::<Decoded>::default();
                let judged = self.admission.finish(&mut batch);
                if judged.runs.is_empty() && judged.letters.is_empty() {
                    return Ok(Polled::End);
                }
                Ok(self.hand_out(batch, judged))
            }
        }
    }

    fn recycle(&mut self, mut batch: Box<Admitted>) {
        if let Some((rest, _)) = &mut self.rest {
            rest.trades = std::mem::take(&mut batch.trades);
            self.carriers.push(batch);
            return;
        }
        let mut shell = self.shells.pop().unwrap_or_default();
        shell.trades = std::mem::take(&mut batch.trades);
        shell.clear();
        self.feed.recycle(shell);
        if self.carriers.len() < SHELLS_MAX {
            self.carriers.push(batch);
        }
    }

    fn wake_by(&mut self, waker: Waker) {
        self.feed.wake_by(waker);
    }

    fn stop_at(&mut self, epoch: Epoch) {
        self.admission.stop_at(epoch);
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        Some(self.admission.snapshot())
    }

    fn counts(&self) -> Counts {
        self.admission.counts().clone()
    }

    fn progress(&self) -> Option<f64> {
        self.feed.progress()
    }
}
