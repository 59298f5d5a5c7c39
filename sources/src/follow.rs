//! A partition that is read behind another log: opened once that one has ended, with what it has left.

use crate::admission::{AdmissionConfig, Seam};
use crate::partition::AdmittedPartition;
use market::{
    Admitted, Counts, Epoch, EpochLength, Offset, Partition, PartitionError, Polled, Run, Symbols,
    Time, Waker,
};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What one log has left, read once for all partitions of a process that follow it.
pub struct Seams {
    config: AdmissionConfig,
    length: EpochLength,
    symbols: Symbols,
    /// As long as one of them holds it.
    read: Mutex<Weak<Seam>>,
}

impl Seams {
    /// Of a log whose records are judged by `config`.
    pub fn new(config: AdmissionConfig, length: EpochLength, symbols: Symbols) -> Arc<Self> {
        Arc::new(Seams { config, length, symbols, read: Mutex::default() })
    }

    fn read(&self, bytes: &[u8]) -> Result<Arc<Seam>, PartitionError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seam) = read.upgrade() {
            return Ok(seam);
        }
        let seam = Seam::read(self.config.clone(), self.length, &self.symbols, bytes);
        let seam =
            seam.map_err(|error| PartitionError { what: error.to_string(), usage: false })?;
        let seam = Arc::new(seam);
        *read = Arc::downgrade(&seam);
        Ok(seam)
    }
}

/// Opens the partition behind a seam, going on from what was saved of it, where something was.
type Open =
    Box<dyn FnOnce(&Arc<Seam>, Option<&[u8]>) -> Result<AdmittedPartition, PartitionError> + Send>;

/// A partition that is read behind another log.
pub struct FollowingPartition {
    seams: Arc<Seams>,
    open: Option<Open>,
    saved: Option<Vec<u8>>,
    opened: Option<AdmittedPartition>,
    waker: Option<Waker>,
    /// The epoch that it begins in, until that was said.
    first: Option<Epoch>,
}

impl FollowingPartition {
    /// Waits for what `seams` will be of; `saved` is what [`Partition::snapshot`] gave, where there is one.
    pub fn new(
        seams: Arc<Seams>,
        saved: Option<Vec<u8>>,
        open: impl FnOnce(&Arc<Seam>, Option<&[u8]>) -> Result<AdmittedPartition, PartitionError>
        + Send
        + 'static,
    ) -> Self {
        // One that had not begun saved nothing.
        let saved = saved.filter(|saved| !saved.is_empty());
        let open: Option<Open> = Some(Box::new(open));
        FollowingPartition { seams, open, saved, opened: None, waker: None, first: None }
    }
}

impl Partition for FollowingPartition {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        let Some(opened) = &mut self.opened else { return Ok(Polled::Pending) };
        // It stands where the log before has ended, whether anything comes or not.
        if let Some(epoch) = self.first.take() {
            let mut admitted = Box::<Admitted>::default();
            admitted.runs.push(Run { epoch, rows: 0..0 });
            return Ok(Polled::Batch(admitted));
        }
        opened.poll()
    }

    fn follow(&mut self, before: &[u8]) -> Result<(), PartitionError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let seam = self.seams.read(before)?;
        let mut opened = open(&seam, self.saved.as_deref())?.following(&seam);
        let epoch = opened.admission().epoch();
        self.first = (self.saved.take().is_none() && epoch > Epoch::MIN).then_some(epoch);
        self.waker.take().into_iter().for_each(|waker| opened.wake_by(waker));
        self.opened = Some(opened);
        Ok(())
    }

    fn pass(&mut self, watermark: Time) {
        self.opened.iter_mut().for_each(|opened| opened.pass(watermark));
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        match &self.opened {
            Some(opened) => opened.snapshot(),
            None => Some(self.saved.clone().unwrap_or_default()),
        }
    }

    fn position(&self) -> Option<Offset> {
        match &self.opened {
            Some(opened) => opened.position(),
            None => AdmittedPartition::position_in(self.saved.as_deref()?),
        }
    }

    fn recycle(&mut self, batch: Box<Admitted>) {
        if let Some(opened) = &mut self.opened {
            opened.recycle(batch);
        }
    }

    fn wake_by(&mut self, waker: Waker) {
        match &mut self.opened {
            Some(opened) => opened.wake_by(waker),
            None => self.waker = Some(waker),
        }
    }

    fn counts(&self) -> Counts {
        self.opened.as_ref().map(Partition::counts).unwrap_or_default()
    }

    fn progress(&self) -> Option<f64> {
        self.opened.as_ref()?.progress()
    }
}
