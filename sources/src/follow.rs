//! A partition that is read behind another log: opened once that one has ended, with what it has left.

use crate::admission::{AdmissionConfig, Seam};
use crate::partition::AdmittedPartition;
use market::{
    Admitted, Counts, EachTick, Epoch, EpochLength, Offset, Partition, PartitionError, Polled, Run,
    Sealed, SymbolId, Symbols, Time, Waker,
};
use std::sync::{Arc, Mutex, PoisonError};

/// What one log has left, read once for all partitions of a process that follow it.
pub struct Seams {
    config: AdmissionConfig,
    length: EpochLength,
    symbols: Symbols,
    /// Kept for those that join.
    read: Mutex<Option<Arc<Seam>>>,
}

impl Seams {
    /// Of a log whose records are judged by `config`.
    pub fn new(config: AdmissionConfig, length: EpochLength, symbols: Symbols) -> Arc<Self> {
        Arc::new(Seams { config, length, symbols, read: Mutex::default() })
    }

    fn read(&self, bytes: &[u8]) -> Result<Arc<Seam>, PartitionError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seam) = &*read {
            return Ok(seam.clone());
        }
        let seam = Seam::read(self.config.clone(), self.length, &self.symbols, bytes);
        let seam =
            seam.map_err(|error| PartitionError { what: error.to_string(), usage: false })?;
        Ok(read.insert(Arc::new(seam)).clone())
    }
}

/// Opens the partition behind a seam, going on from what was saved of it, where something was.
type Open =
    Box<dyn FnOnce(&Arc<Seam>, Option<&[u8]>) -> Result<AdmittedPartition, PartitionError> + Send>;

/// A partition that is read behind another log.
pub struct FollowingPartition {
    name: String,
    /// The number of the partition before it.
    before: u32,
    seams: Arc<Seams>,
    open: Option<Open>,
    saved: Option<Vec<u8>>,
    opened: Option<AdmittedPartition>,
    waker: Option<Waker>,
    /// The epoch that it begins in, until that was said.
    first: Option<Epoch>,
    /// The pool that it belongs to.
    pool: Option<u32>,
}

impl FollowingPartition {
    /// Waits for what `seams` will be of, the log of partition `before`; `saved` is what [`Partition::snapshot`] gave, where there is one.
    pub fn new(
        name: String,
        (before, seams): (u32, Arc<Seams>),
        saved: Option<Vec<u8>>,
        open: impl FnOnce(&Arc<Seam>, Option<&[u8]>) -> Result<AdmittedPartition, PartitionError>
        + Send
        + 'static,
    ) -> Self {
        // One that had not begun saved nothing.
        let saved = saved.filter(|saved| !saved.is_empty());
        let open: Option<Open> = Some(Box::new(open));
        let (opened, waker, first, pool) = (None, None, None, None);
        FollowingPartition { name, before, seams, open, saved, opened, waker, first, pool }
    }

    /// It belongs to a pool.
    #[must_use]
    pub fn in_pool(mut self, pool: Option<u32>) -> Self {
        self.pool = pool;
        self
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

    fn pool(&self) -> Option<u32> {
        self.pool
    }

    fn behind(&self) -> Option<u32> {
        Some(self.before)
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

    fn snapshot(&self, to: &mut Vec<u8>) -> bool {
        match &self.opened {
            Some(opened) => opened.snapshot(to),
            None => {
                to.extend(self.saved.iter().flatten());
                true
            }
        }
    }

    fn cut(&mut self, state: &mut Vec<u8>, block: &mut Vec<u8>) -> Option<Sealed> {
        match &mut self.opened {
            Some(opened) => opened.cut(state, block),
            None => {
                // Its blocks are needed as they are.
                let saved = self.saved.as_deref().map(AdmittedPartition::stand_of);
                state.extend_from_slice(saved.unwrap_or_default());
                Some(Sealed { later: None, needed: usize::MAX })
            }
        }
    }

    fn ticks(&mut self, symbol: SymbolId, from: Time, to: Time, each: &mut EachTick<'_>) {
        self.opened.iter_mut().for_each(|opened| opened.ticks(symbol, from, to, each));
    }

    fn position(&self) -> Option<Offset> {
        self.opened.as_ref()?.position()
    }

    fn watermark(&self) -> Option<Time> {
        self.opened.as_ref()?.watermark()
    }

    fn next_offset(&self) -> Option<u64> {
        self.opened.as_ref()?.next_offset()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_at_end(&self) -> bool {
        self.first.is_none() && self.opened.as_ref().is_some_and(Partition::is_at_end)
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
